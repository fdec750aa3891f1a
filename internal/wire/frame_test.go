package wire

import (
	"bytes"
	"encoding/json"
	"testing"
)

// TestFrameOfMessage: a client reads a message as the server wrote it.
func TestFrameOfMessage(t *testing.T) {
	for _, m := range []Message{
		{Channel: "user:42", Seq: 2, Prev: 1, ID: "i", Time: 5, Data: []byte(`{"a":[1]}`)},
		{Channel: "x\"y", Seq: 1 << 53, ID: "i", ContentType: "text/plain", Data: []byte("a\"\u2028ü\n"), From: "7"},
		{Channel: "c", Seq: 3, ID: "i", ContentType: "image/png", Data: []byte{0, 255}, Key: "k", Expires: 9},
		{Channel: "c", Seq: 3, ID: "i", ContentType: "image/png"},
	} {
		f, err := ParseFrame(AppendMessage(nil, &m))
		if err != nil {
			t.Fatal(err)
		}
		data, err := f.Payload()
		if err != nil || !bytes.Equal(data, m.Data) {
			t.Errorf("%+v: data %q %v", m, data, err)
		}
		if f.Channel != m.Channel || f.Seq != m.Seq || f.Prev != m.Prev || f.ID != m.ID || f.Time != m.Time ||
			f.Key != m.Key || f.Expires != m.Expires || f.From != m.From || f.ContentType != m.ContentType {
			t.Errorf("%+v became %+v", m, f)
		}
	}
}

// TestAppendAck: the server parses the frame on its fast path.
func TestAppendAck(t *testing.T) {
	c, ok := parseAck(AppendAck(nil, "user:42", 17))
	if !ok || c.Channel != "user:42" || c.Seq != 17 {
		t.Errorf("%+v %t", c, ok)
	}
	if c, err := ParseCommand(AppendRead(nil, "a\"b", 3)); err != nil || c.Type != "read" || c.Channel != "a\"b" || c.Seq != 3 {
		t.Errorf("%+v %v", c, err)
	}
}

// TestRequest: the server's parser reads a request as the client wrote it.
func TestRequest(t *testing.T) {
	for contentType, data := range map[string]string{"": `{"a":1}`, "text/plain": "a\"b", "image/png": "\x00\xff", "a/empty": ""} {
		value, raw, err := EncodeData([]byte(data), contentType)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ParseCommand(Encode(Request{Type: "publish", Ref: 7, To: "room:7", ContentType: contentType, Data: value, DataBase64: raw}))
		if err != nil || c.To != "room:7" || string(c.Ref) != "7" {
			t.Fatalf("%+v %v", c, err)
		}
		got, _, err := c.Payload()
		if err != nil || string(got) != data {
			t.Errorf("%s: %q %v", contentType, got, err)
		}
	}
	if _, _, err := EncodeData([]byte("{"), ""); err == nil {
		t.Error("invalid JSON was accepted")
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add([]byte(`{"type":"message","channel":"c","seq":1,"prev":0,"id":"i","data":{}}`))
	f.Add([]byte(`{"type":"message","channel":"c","seq":1,"content_type":"text/plain","data":"a"}`))
	f.Add([]byte(`{"type":"message","channel":"c","seq":1,"content_type":"a/b","data_base64":"AA=="}`))
	f.Add([]byte(`{"type":"hello","user":"42","channels":{"user:42":{"seq":1}}}`))
	f.Add([]byte(`{"type":"bye","code":1012,"retry_after_ms":-1}`))
	f.Add([]byte(`{"type":"error","ref":1,"code":"forbidden"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		frame, err := ParseFrame(text)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Errorf("%q is not JSON", text)
		}
		frame.Payload() //nolint:errcheck // only panics count
		frame.ErrorCode()
	})
}
