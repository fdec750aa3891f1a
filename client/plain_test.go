package client

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// encodePush writes the same for usual and unusual pushes.
func TestEncodePush(t *testing.T) {
	t.Parallel()
	for _, p := range []Push{
		{To: "user:42", Data: []byte(`{"a":[1,"<&>",null]}`)},
		{To: "user:42", Data: []byte("{\n\t\"a\": 1\r\n}"), ID: "i"},
		{To: `a"b\c` + "\u2028é", Data: []byte("line 1\nline 2\u2029\xc3\xa9\"\\"), ContentType: "text/plain", ID: `"`, Key: "k\\"},
		{To: "all", Data: []byte(`"x"`), ContentType: "application/x+json", ID: "i", Key: "k", TTL: 90 * time.Second},
		{To: "all", Data: []byte{0, 1, 255}, ContentType: "image/png", ID: "i"},
		{To: "all", Data: []byte(` 1 `), ID: "i", TTL: time.Millisecond},
	} {
		line, err := encodePush(&p, []string{p.To})
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(string(line), "\n") {
			t.Errorf("%q is more than a line", line)
		}
		unusual := p
		unusual.Until = UntilRead // which appendPush does not write
		other, err := encodePush(&unusual, []string{p.To})
		if err != nil {
			t.Fatal(err)
		}
		got, want := members(t, line), members(t, other)
		if want["until"] != "read" {
			t.Fatalf("%s has no until", other)
		}
		delete(want, "until")
		unusual.Until, unusual.TraceParent = "", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
		if traced, err := encodePush(&unusual, []string{p.To}); err != nil || members(t, traced)["traceparent"] != unusual.TraceParent {
			t.Errorf("%s, %v has no traceparent", traced, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: %s, but with until %s", p, line, other)
		}
	}
}

func members(t *testing.T, text []byte) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%s: %s", text, err)
	}
	return m
}

// decodeResult reads the same from a result as the server writes it and from one with
// spaces, which plainResult does not read.
func TestDecodeResult(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"messages":[{"to":"user:42","id":"a","seq":18446744073709551615,"online":0}]}`,
		`{"messages":[{"to":"user:é","id":"","seq":1,"online":12,"duplicate":true}]}`,
		`{"messages":[{"to":"a\"b\\","id":"\u003c\"","seq":7,"online":1}]}`,
		`{"messages":[{"to":"a","id":"\\","seq":7,"online":1,"more":[{}]}]}`,
		`{"messages":[{"to":"a","id":"b","seq":7,"online":1,"duplicate":false}]}`,
		`{"messages":[{"to":"a","id":"b","seq":7,"online":1},{"to":"b","id":"b","seq":7,"online":1}]}`,
		`{"messages":[{"to":"a","id":"b","seq":-7,"online":1}]}`,
		`{"messages":[{"to":"a","id":"b","seq":7,"online":1}]`,
		`{"messages":[{"to":"a","id":"b","seq":7,"online":1}]}}`,
		`{"messages":[{"to":"a","id":"b","seq":,"online":}]}`,
		`{"messages":[]}`,
		`{"scheduled":[{"to":"a","id":"b","at":1795176687454}]}`,
		`{"status":400,"code":"bad_request","detail":"no"}`,
	} {
		result, refusal, err := decodeResult([]byte(text))
		spaced := strings.Replace(text, ":", ": ", 1)
		if _, plain := plainResult([]byte(spaced)); plain {
			t.Fatalf("%s is read as a plain result", spaced)
		}
		result2, refusal2, err2 := decodeResult([]byte(spaced))
		if result != result2 || !reflect.DeepEqual(refusal, refusal2) || (err == nil) != (err2 == nil) {
			t.Errorf("%s: %+v, %v, %v; with a space: %+v, %v, %v", text, result, refusal, err, result2, refusal2, err2)
		}
	}
	if _, ok := plainResult([]byte(`{"messages":[{"to":"user:42","id":"a","seq":1,"online":0}]}`)); !ok {
		t.Error("the usual result is not read as a plain one")
	}
}
