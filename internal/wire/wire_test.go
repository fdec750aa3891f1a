package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMessageObjectIsWhatEncodingJSONReads(t *testing.T) {
	t.Parallel()
	for _, m := range []Message{
		{Channel: "user:42", Seq: 1042, Prev: 1041, ID: "a", Time: 1789000000000, ContentType: JSONType, Data: []byte(`{"a":1}`)},
		{Channel: `q"\` + "\u2028", Seq: 1, ID: "i", Time: 1, Expires: 2, Key: "k", From: "43", ContentType: "text/plain", Data: []byte("tab\tnew\nline \x01 \u2029 ü €")},
		{Channel: "b", Seq: 1<<64 - 1, ID: "i", Time: 1, ContentType: "image/png", Data: []byte{0, 255}},
		{Channel: "c", Seq: 2, ID: "i", Time: 1, ContentType: "application/geo+json", Data: []byte(`[]`)},
	} {
		var got struct {
			Type        string
			Channel     string
			Seq, Prev   uint64
			ID          string
			Time        int64
			Expires     int64
			Key         string
			ContentType string `json:"content_type"`
			From        string
			Data        json.RawMessage
			DataBase64  []byte `json:"data_base64"`
		}
		text := AppendMessage(nil, &m)
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		data := []byte(got.Data)
		switch KindOf(m.ContentType) {
		case Text:
			var s string
			json.Unmarshal(got.Data, &s)
			data = []byte(s)
		case Binary:
			data = got.DataBase64
		}
		if got.ContentType == "" {
			got.ContentType = JSONType
		}
		back := Message{
			Channel: got.Channel, Seq: got.Seq, Prev: got.Prev, ID: got.ID, Time: got.Time, Expires: got.Expires,
			Key: got.Key, ContentType: got.ContentType, From: got.From, Data: data,
		}
		if got.Type != "message" || !reflect.DeepEqual(back, m) {
			t.Errorf("%s\nparsed as %+v\nwant      %+v", text, back, m)
		}
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]Kind{
		"": JSON, "application/json": JSON, "Application/JSON; charset=utf-8": JSON, "application/geo+json": JSON,
		"text/plain": Text, "TEXT/html;x=y": Text, "image/png": Binary, "application/jsonx": Binary, "json": Binary,
	} {
		if got := KindOf(contentType); got != want {
			t.Errorf("%q: %d, want %d", contentType, got, want)
		}
	}
}

func TestTheShortWayOfAcksIsTheLongWay(t *testing.T) {
	t.Parallel()
	for _, frame := range []string{
		`{"type":"ack","channel":"user:42","seq":1042}`,
		`{"type":"ack","channel":"ü","seq":0}`,
		`{"type":"ack","channel":"user:42","seq":007}`,
		`{"type":"ack","channel":"a\"b","seq":7}`,
		`{"type":"ack","channel":"a","seq":18446744073709551616}`,
		`{"type":"ack","channel":"a","seq":1} `,
		`{"type":"ack","channel":"a","seq":}`,
		"{\"type\":\"ack\",\"channel\":\"\xff\",\"seq\":1}",
	} {
		compareAck(t, []byte(frame))
	}
}

func compareAck(t *testing.T, frame []byte) {
	t.Helper()
	short, ok := parseAck(frame)
	if !ok {
		return
	}
	var long Command
	if err := json.Unmarshal(frame, &long); err != nil || !reflect.DeepEqual(short, long) {
		t.Errorf("%s\nshort %+v\nlong  %+v, %v", frame, short, long, err)
	}
}

// Without the ref, a client would wait for the response to its frame forever.
func TestRefOfFrame(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", maxRef)
	for _, test := range []struct{ frame, ref, problem string }{
		{`{"type":"subscribe","ref":1e0,"channel":"x"}`, "1e0", ""},
		{`{"type":"subscribe","ref":"` + longest + `","channel":"x"}`, `"` + longest + `"`, ""},
		{`{"type":"subscribe","ref":"` + strings.Repeat(`\u00fc`, maxRef/2) + `"}`, `"` + strings.Repeat(`\u00fc`, maxRef/2) + `"`, ""},
		{`{"type":"subscribe","ref":"` + longest + `x","channel":"x"}`, "", "more than 64 bytes"},
		{`{"type":"subscribe","ref":` + strings.Repeat("1", maxRef+1) + `}`, "", "more than 64 bytes"},
		{`{"type":"subscribe","channel":"x","channel":"x","ref":7}`, "7", `"channel" is given twice`},
		{`{"type":"subscribe","x":1,"x":2,"channel":5,"ref":"a"}`, `"a"`, `"x" is given twice`},
		{`{"type":"subscribe","\ud800":1,"ref":7}`, "7", "not valid Unicode"},
		{`{"type":5,"ref":7}`, "7", `"type"`},
		{`{"type":"state","ref":7}`, "7", `"channel" is missing`},
		{`{"type":"auth","ref":7}`, "7", `"token" is missing`},
		{`{"type":"auth","ref":7,"token":""}`, "7", `"token" is missing`},
		{`{"type":"auth","ref":7,"ref":8,"token":"x"}`, "", `"ref" is given twice`},
		{`{"type":5,"ref":[7]}`, "", `"type"`},
		{`{"type":5,"ref":7`, "", "broken JSON"},
		{`{"type":中}`, "", "broken JSON at byte 9: invalid character '中'"},
	} {
		c, err := ParseCommand([]byte(test.frame))
		if string(c.Ref) != test.ref || (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%s: ref %s, %v", test.frame, c.Ref, err)
		}
	}
}

func TestCloseCodesAreListedOnce(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	for _, c := range CloseCodes {
		if seen[c.Code] || c.Meaning == "" {
			t.Errorf("%d is listed twice, or without a description", c.Code)
		}
		seen[c.Code] = true
	}
	if MayReconnect(4999) || !MayReconnect(1014) || MayReconnect(CloseDisconnected) || !MayReconnect(CloseAbnormal) {
		t.Error("MayReconnect does not follow the table")
	}
}

func TestEncodingDoesNotAllocate(t *testing.T) {
	m := &Message{
		Channel: "user:42", Seq: 1042, Prev: 1041, ID: "0123456789abcdef", Time: 1789000000000,
		ContentType: "text/plain", Data: []byte(strings.Repeat("say \"hello\" ünd\n", 16)),
	}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buf = AppendMessage(buf[:0], m) }); n != 0 {
		t.Errorf("AppendMessage: %v allocations", n)
	}
	ack := []byte(`{"type":"ack","channel":"user:42","seq":1042}`)
	if n := testing.AllocsPerRun(100, func() { ParseCommand(ack) }); n > 1 {
		t.Errorf("ParseCommand of an ack: %v allocations, one is for the channel's name", n)
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, seed := range []string{
		`{"type":"ack","channel":"user:42","seq":1042}`,
		`{"type":"publish","ref":3,"to":"room:7","data":{"a":1},"id":"k7"}`,
		`{"type":"subscribe","ref":"x","channel":"news","after":12}`,
		`{"type":"publish","to":"x","data_base64":"AA=="}`, `[]`, `{"ref":`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		compareAck(t, frame)
		c, err := ParseCommand(frame)
		if err != nil {
			if !utf8.ValidString(err.Error()) && utf8.Valid(frame) {
				t.Errorf("the error for %q is not UTF-8: %q", frame, err)
			}
			return
		}
		if refSize(c.Ref) > maxRef {
			t.Errorf("a ref of %d bytes", len(c.Ref))
		}
		if !json.Valid(Encode(Error{Type: "error", Ref: c.Ref, Code: Internal, Message: "x"})) {
			t.Errorf("a response with the ref %q is not valid JSON", c.Ref)
		}
		c.Payload() //nolint:errcheck // only panics count
	})
}

func FuzzAppendString(f *testing.F) {
	f.Add("plain")
	f.Add("\"\\\n\u2028\xff\x00ü")
	f.Fuzz(func(t *testing.T, s string) {
		out := appendString(nil, s)
		var back string
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%q: %v", out, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); utf8.ValidString(s) && back != want {
			t.Errorf("%q was decoded as %q", s, back)
		}
		if !bytes.Equal(out, appendString(nil, []byte(s))) {
			t.Error("string and []byte differ")
		}
	})
}

func BenchmarkAppendMessage(b *testing.B) {
	for _, contentType := range []string{JSONType, "text/plain", "application/octet-stream"} {
		b.Run(contentType, func(b *testing.B) {
			m := &Message{
				Channel: "user:42", Seq: 1042, Prev: 1041, ID: "0123456789abcdef", Time: 1789000000000,
				ContentType: contentType, Data: []byte(`{"text":"` + strings.Repeat("x", 117) + `"}`),
			}
			buf := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				buf = AppendMessage(buf[:0], m)
			}
		})
	}
}

func BenchmarkParseAck(b *testing.B) {
	ack := []byte(`{"type":"ack","channel":"user:42","seq":1042}`)
	b.ReportAllocs()
	for b.Loop() {
		ParseCommand(ack)
	}
}

func BenchmarkParsePublish(b *testing.B) {
	frame := []byte(`{"type":"publish","ref":3,"to":"room:7","data":{"text":"hello"},"id":"k7"}`)
	b.ReportAllocs()
	for b.Loop() {
		ParseCommand(frame)
	}
}

func TestEncodeJSON(t *testing.T) {
	t.Parallel()
	if text, err := EncodeJSON(map[string]any{"a": "<b> & \u2028", "raw": json.RawMessage(`"<"`)}); err != nil || string(text) != `{"a":"<b> & \u2028","raw":"<"}` {
		t.Errorf("%s, %v", text, err)
	}
	if text, err := EncodeJSON(json.RawMessage("{")); err == nil {
		t.Errorf("invalid JSON became %q", text)
	}
}
