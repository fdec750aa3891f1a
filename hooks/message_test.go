package hooks_test

import (
	"encoding/base64"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
)

// TestPlainMessages: what a plain client sends, as text whatever it looks like or as bytes,
// and what the backend replies.
func TestPlainMessages(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	s := newServer(t, b)
	c := s.dial("device=d")
	connection := b.questions()[0].str("connection")
	for _, tt := range []struct {
		kind        int
		send        string
		asked       question
		answer      string
		reply       string
		replyBinary bool
	}{
		{websocket.TextMessage, "hello", question{"data": "hello", "content_type": "text/plain"}, `{"data":"hi"}`, "hi", false},
		{websocket.TextMessage, `{"a":1}`, question{"data": `{"a":1}`, "content_type": "text/plain"}, `{"data": {"b": "<>"}}`, `{"b":"<>"}`, false},
		{websocket.TextMessage, "", question{"data": "", "content_type": "text/plain"}, `{"data":""}`, "", false},
		{websocket.BinaryMessage, "\x00\x01", question{"data_base64": "AAE=", "content_type": "application/octet-stream"}, `{"data_base64":"AQ=="}`, "\x01", true},
		{websocket.BinaryMessage, "", question{"data_base64": "", "content_type": "application/octet-stream"}, `{"data":"s","content_type":"application/json"}`, `"s"`, false},
	} {
		b.answer("message", reply(200, tt.answer))
		if err := c.WriteMessage(tt.kind, []byte(tt.send)); err != nil {
			t.Fatal(err)
		}
		kind, data, err := c.ReadMessage()
		if err != nil || string(data) != tt.reply || (kind == websocket.BinaryMessage) != tt.replyBinary {
			t.Errorf("%q: replied %d %q %v", tt.send, kind, data, err)
		}
		want := question{"type": "message", "connection": connection, "user": "42", "device": "d", "mode": "plain"}
		for name, value := range tt.asked {
			want[name] = value
		}
		if diff := cmp.Diff([]question{want}, b.questions()); diff != "" {
			t.Error(diff)
		}
	}
	for _, nothing := range []http.HandlerFunc{reply(204, ""), reply(200, ""), reply(200, "{}"), reply(200, `{"data":null}`)} {
		b.answer("message", nothing)
		c.send("quiet")
		eventually(t, "the backend is asked", func() bool { return len(b.questions()) == 1 })
	}
	b.answer("message", func(w http.ResponseWriter, r *http.Request) { reply(200, `{"data":"`+asking(r).str("data")+`"}`)(w, r) })
	c.send("last")
	if got := c.next(); got != "last" {
		t.Errorf("got %q", got)
	}
}

// TestMessageFailures: a failed message closes a plain connection with 1013, and is an
// error frame in wirepost.v1.
func TestMessageFailures(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	s := newServer(t, b)
	v1, _ := s.dialV1("")
	for _, tt := range []struct {
		answer        http.HandlerFunc
		code, message string
	}{
		{reply(500, "secret"), "unavailable", "the application does not respond at the moment: try again later"},
		{reply(200, "<html>"), "unavailable", "the application does not respond at the moment: try again later"},
		{reply(302, ""), "unavailable", "the application does not respond at the moment: try again later"},
		{reply(403, `{"detail":"not you"}`), "forbidden", "not you"},
		{reply(401, ``), "forbidden", "the application refused this"},
		{reply(422, `{"detail":"no such thing","code":"sold_out"}`), "sold_out", "no such thing"},
		{reply(503, `{"detail":"closed on Sundays","code":"closed"}`), "closed", "closed on Sundays"},
		{reply(400, `{"code":"a b"}`), "bad_request", "the application refused this"},
		{reply(404, ``), "not_found", "the application refused this"},
		{reply(413, ``), "too_large", "the application refused this"},
		{reply(429, ``), "rate_limited", "the application refused this"},
	} {
		b.answer("message", tt.answer)
		b.answer("call", tt.answer)
		plain := s.dial("")
		plain.send("hello")
		if e := plain.closed(); e.Code != 1013 {
			t.Errorf("%s: closed with %v", tt.code, e)
		}
		for _, frame := range []string{`{"type":"message","ref":7,"data":1}`, `{"type":"call","ref":7,"method":"m"}`} {
			v1.send(frame)
			want := question{"type": "error", "ref": 7.0, "code": tt.code, "message": tt.message}
			if diff := cmp.Diff(want, v1.frame("error")); diff != "" {
				t.Errorf("%s: %s", frame, diff)
			}
		}
	}
}

// TestV1Messages: the data of a message frame is its JSON value.
func TestV1Messages(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	s := newServer(t, b)
	c, hello := s.dialV1("device=d")
	b.questions()
	for _, tt := range []struct {
		frame  string
		asked  question
		answer string
		want   question
	}{
		{`"ref":1,"data":{"a":1}`, question{"data": map[string]any{"a": 1.0}, "content_type": "application/json"}, `{"data":"hi"}`, question{"type": "reply", "ref": 1.0, "data": "hi"}},
		{`"data":"x"`, question{"data": "x", "content_type": "application/json"}, `{"data":[1]}`, question{"type": "reply", "data": []any{1.0}}},
		{`"ref":2,"data":"x","content_type":"text/plain"`, question{"data": "x", "content_type": "text/plain"}, ``, question{"type": "ok", "ref": 2.0}},
		{`"data_base64":"AAE="`, question{"data_base64": "AAE=", "content_type": "application/octet-stream"}, `{"data_base64":"AQ=="}`, question{"type": "reply", "data_base64": "AQ==", "content_type": "application/octet-stream"}},
	} {
		b.answer("message", reply(200, tt.answer))
		c.send(`{"type":"message",` + tt.frame + `}`)
		if diff := cmp.Diff(tt.want, c.frame(tt.want.str("type"))); diff != "" {
			t.Errorf("%s: %s", tt.frame, diff)
		}
		want := question{"type": "message", "connection": hello.str("connection"), "user": "42", "device": "d", "mode": "wirepost.v1"}
		for name, value := range tt.asked {
			want[name] = value
		}
		if diff := cmp.Diff([]question{want}, b.questions()); diff != "" {
			t.Error(diff)
		}
	}
}

// TestCalls: the answer to a call is its reply.
func TestCalls(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	s := newServer(t, b)
	c, _ := s.dialV1("")
	b.questions()
	for answer, want := range map[string]any{`{"data":{"sum":3}}`: map[string]any{"sum": 3.0}, `{"data":null}`: nil, `{}`: nil, ``: nil} {
		b.answer("call", reply(200, answer))
		c.send(`{"type":"call","ref":1,"method":"add","data":[1,2]}`)
		f := c.frame("reply")
		if diff := cmp.Diff(want, f["data"]); diff != "" {
			t.Errorf("%s: %s", answer, diff)
		}
		q := b.questions()[0]
		if q.str("type") != "call" || q.str("method") != "add" || !cmp.Equal(q["data"], []any{1.0, 2.0}) {
			t.Errorf("asked %v", q)
		}
	}
	b.answer("call", reply(200, `{"data_base64":"AAEC"}`))
	c.send(`{"type":"call","ref":1,"method":"add"}`)
	if f := c.frame("error"); f["code"] != "unavailable" {
		t.Errorf("a result that is not JSON: %v", f)
	}
	b.questions()
	b.answer("call", reply(200, ``))
	c.send(`{"type":"call","ref":2}`)
	c.frame("reply")
	if q := b.questions()[0]; q["method"] != "" {
		t.Errorf("without a method: %v", q)
	}
}

// TestOrder: the questions about one session are asked one after the other, and those
// about several at the same time.
func TestOrder(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	s := newServer(t, b)
	var now atomic.Int32
	arrived, release := make(chan string, 10), make(chan struct{})
	b.answer("message", func(w http.ResponseWriter, r *http.Request) {
		defer now.Add(-1)
		if now.Add(1) > 2 {
			t.Error("two messages of a session at the same time")
		}
		arrived <- asking(r).str("data")
		<-release
		reply(200, `{"data":"`+asking(r).str("data")+`"}`)(w, r)
	})
	one, two := s.dial(""), s.dial("")
	one.send("a1")
	one.send("a2")
	two.send("b1")
	two.send("b2")
	first := map[string]bool{wait(t, "a message", arrived): true, wait(t, "another one", arrived): true}
	if !first["a1"] || !first["b1"] {
		t.Errorf("first %v", first)
	}
	close(release)
	for _, c := range []struct {
		*client
		name string
	}{{one, "a"}, {two, "b"}} {
		if got := c.next() + c.next(); got != c.name+"1"+c.name+"2" {
			t.Errorf("replies %s", got)
		}
	}
}

// TestLargeMessage: binary data with the largest size passes.
func TestLargeMessage(t *testing.T) {
	t.Parallel()
	b := newBackend(t)
	s := newServer(t, b)
	c := s.dial("")
	b.answer("message", func(w http.ResponseWriter, r *http.Request) {
		reply(200, `{"data_base64":"`+asking(r).str("data_base64")+`"}`)(w, r)
	})
	large := make([]byte, 64<<10)
	if err := c.WriteMessage(websocket.BinaryMessage, large); err != nil {
		t.Fatal(err)
	}
	if _, data, err := c.ReadMessage(); err != nil || base64.StdEncoding.EncodeToString(data) != base64.StdEncoding.EncodeToString(large) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}
