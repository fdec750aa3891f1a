package parse

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/payload"
)

// usual are bodies that scan must parse, because clients send such bodies.
var usual = []string{
	`{"to":"user:42","data":{"a":1}}`,
	`{"to":"user:42","data":{"text":"Grüße, 世界","n":-1.5e+3,"ok":[true,false,null],"e":"\u00e9\n\"","o":{},"l":[]},"id":"k7","key":"k","ttl":"90s"}`,
	` { "to" : [ "user:1" , "room:7" ] , "data" : [ 1 , 2 ] } ` + "\r",
	`{"data_base64":"aGVsbG8=","content_type":"image/png","to":"all"}`,
	`{"to":"a","content_type":"text/plain","data":"hello"}`,
	`{"to":"a","content_type":"text/plain","data":"a \"quoted\" one"}`,
	`{"to":"a","data":null}`,
	`{"to":"a","data":0}`,
	`{"to":"a","data":-0.1}`,
	`{"to":"a","data":""}`,
	`{"to":"a","data":1E9,"ttl":"1h30m"}`,
	`{"to":"","data":true}`,
	`{}`[:1] + `"to":"a"}`,
}

func TestScanParsesUsualBodies(t *testing.T) {
	for _, body := range usual {
		var f Push
		if !f.scan([]byte(body)) {
			t.Errorf("scan refused %s", body)
		}
		compareReaders(t, []byte(body))
	}
}

// unusual are valid bodies that are left to the slow parser.
var unusual = []string{
	`{"to":"user:\u0034\u0032","data":1}`,
	`{"t\u006f":"a","data":1}`,
	`{"to":"a","data":1,"ttl":90}`,
	`{"to":"a","data":1,"ttl":0.5}`,
	`{"to":"a","data":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
	`{"to":"a","data_base64":"aGVs\nbG8="}`,
}

func TestScanRejectsUnusualBodies(t *testing.T) {
	for _, body := range unusual {
		var f Push
		if f.scan([]byte(body)) {
			t.Errorf("scan accepted %s", body)
		}
		if err := f.strict([]byte(body)); err != nil {
			t.Errorf("strict refused %s: %v", body, err)
		}
	}
}

// wrong has invalid bodies with the field of the error and a part of its message.
var wrong = []struct{ body, field, says string }{
	{``, "", "empty"},
	{` `, "", "empty"},
	{`null`, "", "object"},
	{`[]`, "", "object"},
	{`"to"`, "", "object"},
	{`{`, "", "byte 1"},
	{`{"to":"a","data":1`, "", "byte 18"},
	{`{"to":"a","data":1}x`, "", "byte 20"},
	{`{"to":"a","data":1}{}`, "", "byte 20"},
	{`{"to":"a","data":1,}`, "", "byte 20"},
	{`{"to":"a" "data":1}`, "", "byte 11"},
	{`{'to':"a"}`, "", "byte 2"},
	{`{"to":"a","data":01}`, "", "byte 19"},
	{`{"to":"a","data":+1}`, "", "byte 18"},
	{`{"to":"a","data":.5}`, "", "byte 18"},
	{`{"to":"a","data":1.}`, "", "byte 20"},
	{`{"to":"a","data":1e}`, "", "byte 20"},
	{`{"to":"a","data":-}`, "", "byte 19"},
	{`{"to":"a","data":NaN}`, "", "byte 18"},
	{`{"to":"a","data":nul}`, "", "byte 21"},
	{`{"to":"a","data":"` + "\n" + `"}`, "", "byte 19"},
	{`{"to":"a","data":"\x"}`, "", "byte 20"},
	{`{"to":"a","data":"\u12g4"}`, "", "byte 23"},
	{`{"to":"a","data":[1,]}`, "", "byte 21"},
	{`{"to":"a","data":{"b"}}`, "", "byte 22"},
	{"{\"to\":\"a\",\"data\":\"\xff\"}", "", "not valid UTF-8 at byte 18"},
	{"\ufeff" + `{"to":"a","data":1}`, "", "byte 1"},
	{`{"to":"a","data":1,"tll":"1h"}`, "tll", "no field"},
	{`{"to":"a","data":1,"TTL":"1h"}`, "TTL", "no field"},
	{`{"to":"a","data":1,"to":"b"}`, "to", "twice"},
	{`{"to":"a","data":1,"t\u006f":"b"}`, "to", "twice"},
	{`{"to":"a","data":1,"data":1}`, "data", "twice"},
	{`{"data":1}`, "to", "needs a target"},
	{`{"to":null,"data":1}`, "to", "not null"},
	{`{"to":7,"data":1}`, "to", "not a number"},
	{`{"to":{},"data":1}`, "to", "not an object"},
	{`{"to":[],"data":1}`, "to", "empty"},
	{`{"to":["a",7],"data":1}`, "to", "entry 1"},
	{`{"to":["a","b c"],"data":1}`, "to", "entry 1"},
	{`{"to":"","data":1}`, "to", "needed"},
	{`{"to":"user:","data":1}`, "to", "no user"},
	{`{"to":"a,b","data":1}`, "to", "contains"},
	{`{"to":"` + strings.Repeat("x", 201) + `","data":1}`, "to", "201 bytes"},
	{`{"to":"\ud800","data":1}`, "to", "surrogate"},
	{`{"to":["` + strings.Repeat(`a","`, MaxTargets) + `a"],"data":1}`, "to", "more than 1000"},
	{`{"to":"a"}`, "data", "needs data"},
	{`{"to":"a","data":1,"data_base64":"AA=="}`, "data_base64", "either"},
	{`{"to":"a","data_base64":"A"}`, "data_base64", "base64"},
	{`{"to":"a","data_base64":"AA"}`, "data_base64", "base64"},
	{`{"to":"a","data_base64":"-_-_"}`, "data_base64", "base64"},
	{`{"to":"a","data_base64":7}`, "data_base64", "string"},
	{`{"to":"a","data":1,"content_type":1}`, "content_type", "string"},
	{`{"to":"a","data":1,"content_type":"text/plain"}`, "data", "string"},
	{`{"to":"a","data":"\ud83d","content_type":"text/plain"}`, "data", "surrogate"},
	{`{"to":"a","data":"x","content_type":"image/png"}`, "data", "data_base64"},
	{`{"to":"a","data":1,"id":7}`, "id", "string"},
	{`{"to":"a","data":1,"id":null}`, "id", "null"},
	{`{"to":"a","data":1,"key":true}`, "key", "boolean"},
	{`{"to":"a","data":1,"ttl":"soon"}`, "ttl", "duration"},
	{`{"to":"a","data":1,"ttl":""}`, "ttl", "duration"},
	{`{"to":"a","data":1,"ttl":"90"}`, "ttl", "duration"},
	{`{"to":"a","data":1,"ttl":"0s"}`, "ttl", "above zero"},
	{`{"to":"a","data":1,"ttl":"-1s"}`, "ttl", "above zero"},
	{`{"to":"a","data":1,"ttl":"1us"}`, "ttl", "1ms"},
	{`{"to":"a","data":1,"ttl":0}`, "ttl", "above zero"},
	{`{"to":"a","data":1,"ttl":-1e300}`, "ttl", "above zero"},
	{`{"to":"a","data":1,"ttl":1e300}`, "ttl", "number"},
	{`{"to":"a","data":1,"ttl":1e999}`, "ttl", "number"},
	{`{"to":"a","data":1,"ttl":0.0001}`, "ttl", "1ms"},
	{`{"to":"a","data":1,"ttl":true}`, "ttl", "boolean"},
	{`{"to":"a","data":1,"ttl":null}`, "ttl", "null"},
	{`{"to":"a","data":1,"escalate":null}`, "escalate", "list of steps, not null"},
	{`{"to":"a","data":1,"escalate":{}}`, "escalate", "list of steps, not an object"},
	{`{"to":"a","data":1,"escalate":["30s"]}`, "escalate", "entry 0: it must be an object"},
	{`{"to":"a","data":1,"escalate":[{"after":"1m","via":"event"},{"after":"x","via":"event"}]}`, "escalate", "entry 1: after: "},
	{`{"to":"a","data":1,"escalate":[{"after":0,"via":"event"}]}`, "escalate", "entry 0: after: a time"},
	{`{"to":"a","data":1,"escalate":[{"via":"event"}]}`, "escalate", "entry 0: after: it is missing"},
	{`{"to":"a","data":1,"escalate":[{"after":"1m"}]}`, "escalate", "entry 0: via: it is missing"},
	{`{"to":"a","data":1,"escalate":[{"after":"1m","via":7}]}`, "escalate", "entry 0: via: it must be a string"},
	{`{"to":"a","data":1,"escalate":[{"after":"1m","via":"event","to":"x"}]}`, "escalate", `entry 0: to: there is no field "to"`},
	{`{"to":"a","data":1,"escalate":[{},{},{},{},{},{},{},{},{}]}`, "escalate", "9 steps"},
	{`{"to":"a","data":1,"until":7}`, "until", "string"},
	{`{"to":"a","data":1,"until":""}`, "until", "empty"},
}

func TestWrongBodies(t *testing.T) {
	maxData := 1 << 16
	for _, tt := range wrong {
		var f Push
		_, err := f.Parse([]byte(tt.body), maxData)
		if err == nil {
			t.Errorf("%.80s: no error", tt.body)
			continue
		}
		e := wirepost.AsError(err)
		if e.Code != wirepost.CodeBadRequest || e.Field != tt.field || !strings.Contains(e.Message, tt.says) {
			t.Errorf("%.80s: got %v, want field %q and %q", tt.body, e, tt.field, tt.says)
		}
	}
}

func TestMessage(t *testing.T) {
	const limit = 16
	for _, tt := range []struct {
		body string
		want wirepost.Push
	}{
		{`{"to":"a","data": { "b" : [ 1 ] } }`, wirepost.Push{Data: []byte(`{"b":[1]}`)}},
		{`{"to":"a","data":"x\ny","content_type":"text/plain"}`, wirepost.Push{Data: []byte("x\ny"), ContentType: "text/plain"}},
		{`{"to":"a","data":"😀","content_type":"Text/Plain; charset=utf-8"}`, wirepost.Push{Data: []byte("😀"), ContentType: "Text/Plain; charset=utf-8"}},
		{`{"to":"a","data":"\ud83d\ude00","content_type":"text/plain"}`, wirepost.Push{Data: []byte("😀"), ContentType: "text/plain"}},
		{`{"to":"a","data":"\ud800","content_type":"application/ld+json"}`, wirepost.Push{Data: []byte(`"\ud800"`), ContentType: "application/ld+json"}},
		{`{"to":"a","data_base64":"AP8="}`, wirepost.Push{Data: []byte{0, 255}, ContentType: payload.BytesType}},
		{`{"to":"a","data_base64":""}`, wirepost.Push{Data: []byte{}, ContentType: payload.BytesType}},
		{`{"to":"a","data_base64":"eyB9","content_type":"application/json"}`, wirepost.Push{Data: []byte("{ }"), ContentType: "application/json"}},
		{`{"to":"a","data":"0123456789abcd"}`, wirepost.Push{Data: []byte(`"0123456789abcd"`)}},
		{`{"to":"a","data":1,"ttl":1.5,"id":"i","key":"k"}`, wirepost.Push{Data: []byte("1"), TTL: 1500 * time.Millisecond, ID: "i", Key: "k"}},
		{`{"to":"a","data":1,"ttl":"1h"}`, wirepost.Push{Data: []byte("1"), TTL: time.Hour}},
		{
			`{"to":"a","data":1,"escalate":[{"after":"30s","via":"webpush"},{"after":600,"via":"event"}],"until":"read","notification":{ "a":1}}`,
			wirepost.Push{
				Data: []byte("1"), Until: "read", Notification: []byte(`{ "a":1}`),
				Escalate: []wirepost.EscalationStep{{After: 30 * time.Second, Via: "webpush"}, {After: 10 * time.Minute, Via: "event"}},
			},
		},
		{`{"to":"a","data":1,"escalate":[]}`, wirepost.Push{Data: []byte("1"), Escalate: []wirepost.EscalationStep{}}},
		{`{"to":"a","data":1,"id":"","key":"","content_type":""}`, wirepost.Push{Data: []byte("1")}},
	} {
		maxData := limit
		var f Push
		got, err := f.Parse([]byte(tt.body), maxData)
		if err != nil {
			t.Errorf("%s: %v", tt.body, err)
		} else if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(wirepost.Push{})); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.body, diff)
		}
	}
	maxData := limit
	for _, body := range []string{
		`{"to":"a","data":"0123456789abcde"}`,
		`{"to":"a","data":"0123456789abcdefg","content_type":"text/plain"}`,
		`{"to":"a","data_base64":"MDEyMzQ1Njc4OWFiY2RlZmc="}`,
	} {
		_, err := new(Push).Parse([]byte(body), maxData)
		if e := wirepost.AsError(err); e.Code != wirepost.CodeTooLarge || !strings.HasPrefix(e.Field, "data") {
			t.Errorf("%s: got %v, want too_large", body, err)
		}
	}
}

// compareReaders parses a body with both parsers: what scan accepts must be UTF-8 JSON that
// strict parses with the same result.
func compareReaders(t *testing.T, body []byte) {
	t.Helper()
	var fast, slow Push
	if !fast.scan(body) {
		return
	}
	if err := slow.strict(body); err != nil {
		t.Fatalf("scan accepted a body that strict refuses: %q: %v", body, err)
	}
	if !json.Valid(body) {
		t.Fatalf("scan accepted invalid JSON: %q", body)
	}
	if fast.scanned {
		var want bytes.Buffer
		if err := json.Compact(&want, fast.data); err != nil || want.String() != string(fast.text.Compact()) {
			t.Fatalf("%q has the compact form %q", fast.data, fast.text.Compact())
		}
	}
	if diff := cmp.Diff(slow, fast, cmp.AllowUnexported(Push{}), cmpopts.IgnoreFields(Push{}, "text", "scanned")); diff != "" {
		t.Fatalf("%q: -strict +scan\n%s", body, diff)
	}
}

func FuzzPushBody(f *testing.F) {
	for _, body := range append(usual, unusual...) {
		f.Add([]byte(body))
	}
	for _, w := range wrong {
		f.Add([]byte(w.body))
	}
	maxData := 1 << 10
	f.Fuzz(func(t *testing.T, body []byte) {
		compareReaders(t, body)
		var parsed Push
		p, err := parsed.Parse(body, maxData)
		if err != nil {
			if e := wirepost.AsError(err); e.Code != wirepost.CodeBadRequest && e.Code != wirepost.CodeTooLarge {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if len(parsed.To) == 0 || len(p.Data) > maxData {
			t.Fatalf("%q: targets %q, %d bytes of data", body, parsed.To, len(p.Data))
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data := `{"type":"order.shipped","order":"A-10042","items":[{"sku":"x1","n":2},{"sku":"y7","n":1}],"note":"` + strings.Repeat("lorem ipsum ", 10) + `","at":1789000000000}`
	line := []byte(`{"to":"user:42","id":"01J8Z3K5","data":` + data + `}`)
	maxData := 1 << 16
	for _, bb := range []struct {
		name  string
		parse func(*Push) error
	}{
		{"scan", func(f *Push) error { _, err := f.Parse(line, maxData); return err }},
		{"strict", func(f *Push) error {
			if err := f.strict(line); err != nil {
				return err
			}
			_, err := f.message(maxData)
			return err
		}},
		{"encoding-json", func(*Push) error {
			var v struct {
				To   json.RawMessage `json:"to"`
				ID   string          `json:"id"`
				Key  string          `json:"key"`
				Type string          `json:"content_type"`
				TTL  json.RawMessage `json:"ttl"`
				Data json.RawMessage `json:"data"`
				B64  []byte          `json:"data_base64"`
			}
			dec := json.NewDecoder(bytes.NewReader(line))
			dec.DisallowUnknownFields()
			return dec.Decode(&v)
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(line)))
			var f Push
			for b.Loop() {
				if err := bb.parse(&f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
