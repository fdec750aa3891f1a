package wirepost_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
)

func TestRefusalsAreHTTPErrors(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		o.Channels = []wirepost.Policy{{Pattern: "internal:*", Subscribe: wirepost.AccessBackendOnly}}
		o.MaxSubscriptions = 3
	})
	for _, c := range []struct {
		query  string
		status int
		detail string
	}{
		{"", 401, "no user"},
		{"user=a+b", 401, `contains ' '`},
		{"user=42&channels=user:43", 403, "another user's inbox"},
		{"user=42&channels=internal:x", 403, "policy"},
		{"user=42&channels=a,,b", 400, "channel name is needed"},
		{"user=42&after=x", 400, `"x" is not a sequence`},
		{"user=42&after=news=1", 400, "not subscribed"},
		{"user=42&channels=a,b", 429, "at most 3"},
		{"user=42&device=" + strings.Repeat("d", 201), 400, "201 bytes"},
	} {
		_, resp, err := n.tryDial(c.query)
		if err == nil || resp == nil || resp.StatusCode != c.status {
			t.Errorf("%s: %v, %v; want status %d", c.query, resp, err, c.status)
			continue
		}
		var p wirepost.Problem
		json.NewDecoder(resp.Body).Decode(&p)
		if resp.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(p.Detail, c.detail) {
			t.Errorf("%s: %+v does not say %q", c.query, p, c.detail)
		}
	}
	if n.Stats().Connections != 0 || n.Feeds() != 0 {
		t.Fatalf("refused connections left resources: %+v", n.Stats())
	}
}

func TestSubprotocols(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		o.Authenticate = nil
		o.VerifyToken = func(_ context.Context, token string) (wirepost.Identity, error) {
			if token != "secret" {
				return wirepost.Identity{}, wirepost.Errorf(wirepost.CodeUnauthorized, "unknown token")
			}
			return wirepost.Identity{User: "42"}, nil
		}
	})
	for _, c := range []struct{ offered, chosen string }{
		{"bearer.secret, wirepost.plain", "wirepost.plain"},
		{"bearer.secret, wirepost.v1", "wirepost.v1"},
		{"other, bearer.secret", ""},
	} {
		ws, _, err := n.tryDial("", strings.Split(c.offered, ", ")...)
		if err != nil || ws.Subprotocol() != c.chosen {
			t.Errorf("offered %s: %v, chosen %q, want %q", c.offered, err, ws.Subprotocol(), c.chosen)
		}
	}
	if _, resp, err := n.tryDial("token=wrong"); err == nil || resp.StatusCode != 401 {
		t.Errorf("a wrong token: %v, %v", resp, err)
	}
	if _, _, err := n.tryDial("token=secret"); err != nil {
		t.Errorf("a token in the query: %v", err)
	}
}

func TestPublishByClients(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		o.Channels = []wirepost.Policy{{Pattern: "staff", Publish: wirepost.AccessBackendOnly}}
	})
	c, _ := n.dialV1("42&channels=room:7")
	c.send(`{"type":"publish","ref":3,"to":"room:7","data":{"a": 1},"id":"k7"}`)
	// The message and the response may arrive in either order.
	var ok, message frame
	for range 2 {
		var f frame
		json.Unmarshal([]byte(c.next()), &f)
		if f["type"] == "ok" {
			ok = f
		} else {
			message = f
		}
	}
	if ok.str("id") != "k7" || ok.num("seq") != 1 || ok.num("ref") != 3 || message.str("from") != "42" {
		t.Fatalf("ok %v, message %v", ok, message)
	}
	c.send(`{"type":"publish","ref":4,"to":"room:7","data":0,"id":"k7"}`)
	if f := c.frame("ok"); f["duplicate"] != true || f.num("seq") != 1 {
		t.Fatalf("repeat: %v", f)
	}
	for to, code := range map[string]string{
		"all": "forbidden", "user:43": "forbidden", "staff": "forbidden", "a b": "bad_request", "": "bad_request",
	} {
		c.send(`{"type":"publish","ref":5,"to":%q,"data":1}`, to)
		if f := c.frame("error"); f.str("code") != code || f.num("ref") != 5 {
			t.Errorf("to %q: %v, want %s", to, f, code)
		}
	}
	c.send("%s", `{"type":"publish","ref":6,"to":"room:8","data":"`+strings.Repeat("x", 64<<10-2)+`"}`)
	c.frame("ok")
	c.send("%s", `{"type":"publish","ref":7,"to":"room:8","data":"`+strings.Repeat("x", 64<<10)+`"}`)
	if f := c.frame("error"); f.str("code") != "too_large" {
		t.Fatal(f)
	}
	c.send("%s", strings.Repeat("x", 128<<10))
	if code := c.closeCode(); code != 1009 {
		t.Fatalf("a frame over the limit closed with %d", code)
	}
}

// A message that is too long for plain mode and for /echo is refused by its header, although
// a frame of wirepost.v1 may have that length.
func TestLongPlainMessagesAreRefusedByTheirHeader(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	const limit = 64 << 10
	whole := []byte{0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0} // of limit+1 bytes
	begun := append([]byte{0x02, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, make([]byte, limit)...)
	more := []byte{0x00, 0x81, 0, 0, 0, 0}
	for _, path := range []string{"/ws", "/echo"} {
		for name, input := range map[string][]byte{"whole": whole, "in fragments": append(begun, more...)} {
			n.path = path
			c := n.dial("42")
			c.NetConn().Write(input) //nolint:errcheck // it may be refused before
			if code := c.closeCode(); code != 1009 {
				t.Errorf("%s, %s: closed with %d", path, name, code)
			}
		}
	}
	n.path = ""
	v1, _ := n.dialV1("42")
	v1.send(`{"type":"publish","ref":1,"to":"room:7","data":1,"ignored":%q}`, strings.Repeat("x", limit))
	v1.frame("ok")
}

func TestEcho(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	hs := httptest.NewServer(n.Echo())
	t.Cleanup(hs.Close)
	dial := func() *client {
		c, _, err := n.dialer.Dial("ws"+strings.TrimPrefix(hs.URL, "http"), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return &client{Conn: c, t: t, patience: patience}
	}
	c := dial()
	for _, m := range []string{"", "hello", strings.Repeat("x", 64<<10)} {
		for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
			c.WriteMessage(kind, []byte(m))
			if got, data, err := c.ReadMessage(); got != kind || string(data) != m || err != nil {
				t.Fatalf("%d bytes of kind %d came back as %d bytes of kind %d, %v", len(m), kind, len(data), got, err)
			}
		}
	}
	c.leave()
	c = dial()
	c.send("%s", strings.Repeat("x", 64<<10+1))
	if code := c.closeCode(); code != 1009 {
		t.Fatalf("a message over the limit closed with %d", code)
	}
	c = dial()
	go n.Shutdown(context.Background())
	if code := c.closeCode(); code != 1012 {
		t.Fatalf("a shutdown closed it with %d", code)
	}
}

func TestBadFramesOfClients(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	c, _ := n.dialV1("42")
	for _, bad := range []struct{ frame, code, message string }{
		{`{"type":`, "bad_request", "byte 8"},
		{`[]`, "bad_request", "JSON object"},
		{`{"ref":1}`, "bad_request", `"type" is missing`},
		{`{"type":"ack","channel":"user:42","seq":-1}`, "bad_request", `"seq"`},
		{`{"type":"ack","channel":"nowhere","seq":1}`, "not_found", "nowhere"},
		{`{"type":"read","channel":"nowhere","seq":1}`, "not_found", "nowhere"},
		{`{"type":"state","channel":"nowhere"}`, "not_found", "nowhere"},
		{`{"type":"ack","channel":"user:42"}`, "bad_request", `"seq" is missing`},
		{`{"type":"ack","seq":1}`, "bad_request", `"channel" is missing`},
		{`{"type":"read","channel":"user:42","sequence":1}`, "bad_request", `"seq" is missing`},
		{`{"type":"read","channel":"user:42","seq":null}`, "bad_request", `"seq" is missing`},
		{`{"type":"state"}`, "bad_request", `"channel" is missing`},
		{`{"type":"unsubscribe"}`, "bad_request", `"channel" is missing`},
		{`{"type":"subscribe","ref":{},"channel":"x"}`, "bad_request", "ref"},
		{`{"type":"subscribe","ref":true,"channel":"x"}`, "bad_request", "ref"},
		{`{"type":"subscribe","ref":1,"channel":"user:43"}`, "forbidden", "another user"},
		{`{"type":"unsubscribe","ref":1,"channel":"all"}`, "bad_request", "all"},
		{`{"type":"unsubscribe","ref":1,"channel":"x"}`, "not_found", "x"},
		{`{"type":"publish","ref":1,"to":"x"}`, "bad_request", "data"},
		{`{"type":"publish","ref":1,"to":"x","data":1,"data_base64":"AA=="}`, "bad_request", "both"},
		{`{"type":"publish","ref":1,"to":"x","data_base64":"?"}`, "bad_request", "base64"},
		{`{"type":"publish","ref":1,"to":"x","data":1,"content_type":"text/plain"}`, "bad_request", "string"},
		{`{"type":"call","ref":1,"method":"m"}`, "not_found", "handler"},
		{`{"type":"auth","ref":1,"token":"t"}`, "not_found", "token"},
	} {
		c.send("%s", bad.frame)
		if f := c.frame("error"); f.str("code") != bad.code || !strings.Contains(f.str("message"), bad.message) {
			t.Errorf("%s: %v, want %s about %s", bad.frame, f, bad.code, bad.message)
		}
	}
	c.send(`{"type":"of a later version","x":1}`)
	n.json("user:42", "1")
	c.message("1") // the session stayed
	c.WriteMessage(websocket.BinaryMessage, []byte("x"))
	if code := c.closeCode(); code != 1003 {
		t.Fatalf("a binary frame closed with %d", code)
	}
}

func TestAcknowledgementsAreClamped(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	c, _ := n.dialV1("42")
	n.json("user:42", "1")
	c.message("1")
	c.send(`{"type":"ack","channel":"user:42","seq":1000}`)
	eventually(t, "acknowledged", func() bool { return n.cursor("42", "user:42", "") == 1 })
	c.send(`{"type":"ack","channel":"user:42","seq":0}`)
	n.json("user:42", "2")
	c.message("2")
	c.leave()
	n.gone("42")
	c, _ = n.dialV1("42")
	c.message("2")
}

func TestAfterOverridesTheCursorOnceAndAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for i := 1; i <= 3; i++ {
		n.json("user:42", fmt.Sprint(i))
	}
	c, _ := n.dialV1("42&after=2")
	c.message("3")
	c.leave()
	n.gone("42")
	c, hello := n.dialV1("42&after=999") // above the head: the head
	if p := hello.channel("user:42"); p["resumed"] != true {
		t.Fatal(hello)
	}
	n.json("user:42", "4")
	c.message("4")
	c.leave()
	n.gone("42")
	c, _ = n.dialV1("42")
	c.message("1")
}

func TestCallsAndMessagesReachTheApplication(t *testing.T) {
	t.Parallel()
	ended := make(chan wirepost.CloseInfo, 1)
	n := newNode(t, func(o *wirepost.Options) {
		o.OnCall = func(_ context.Context, s wirepost.Session, method string, data json.RawMessage) (any, error) {
			switch method {
			case "who":
				return map[string]string{"user": s.User, "sent": string(data)}, nil
			case "panic":
				panic("on purpose")
			}
			return nil, wirepost.Errorf(wirepost.CodeNotFound, "no method %q", method)
		}
		o.OnMessage = func(_ context.Context, s wirepost.Session, f wirepost.Frame) (wirepost.Frame, error) {
			return wirepost.Frame{Binary: f.Binary, Data: append([]byte("received: "), f.Data...)}, nil
		}
		o.OnDisconnect = func(_ context.Context, _ wirepost.Session, e wirepost.CloseInfo) { ended <- e }
	})
	c, _ := n.dialV1("42")
	c.send(`{"type":"call","ref":1,"method":"who","data":[1]}`)
	if f := c.frame("reply"); fmt.Sprint(f["data"]) != "map[sent:[1] user:42]" {
		t.Fatal(f)
	}
	c.send(`{"type":"call","ref":2,"method":"other"}`)
	if f := c.frame("error"); f.str("code") != "not_found" {
		t.Fatal(f)
	}
	c.send(`{"type":"call","ref":3,"method":"panic"}`)
	if f := c.frame("error"); f.str("code") != "internal" || strings.Contains(f.str("message"), "purpose") {
		t.Fatal(f)
	}
	for sent, want := range map[string]string{
		`{"type":"message","ref":4,"data":{"a":1}}`:                               `{"content_type":"text/plain","data":"received: {\"a\":1}","ref":4,"type":"reply"}`,
		`{"type":"message","ref":4,"data":"hi","content_type":"text/plain"}`:      `{"content_type":"text/plain","data":"received: hi","ref":4,"type":"reply"}`,
		`{"type":"message","data_base64":"AQI="}`:                                 `{"content_type":"application/octet-stream","data_base64":"cmVjZWl2ZWQ6IAEC","type":"reply"}`,
		`{"type":"message","ref":4}`:                                              `{"code":"bad_request","message":"the field \"data\" is missing","ref":4,"type":"error"}`,
		`{"type":"message","ref":4,"data":"` + strings.Repeat("x", 65<<10) + `"}`: `{"code":"too_large","message":"the data has more than 65536 bytes","ref":4,"type":"error"}`,
	} {
		c.send("%s", sent)
		var f frame
		if err := json.Unmarshal([]byte(c.next()), &f); err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(f); string(got) != want {
			t.Errorf("the response to %.60s is %s, want %s", sent, got, want)
		}
	}
	c.leave()
	if e := <-ended; e.Code != 1000 {
		t.Fatalf("CloseInfo: %+v", e)
	}
	plain := n.dial("43")
	plain.send("hi")
	plain.want("received: hi")
}

func TestMessagesWithoutAHandlerAreRefused(t *testing.T) {
	t.Parallel()
	c, _ := newNode(t).dialV1("42")
	c.send(`{"type":"message","ref":1,"data":1}`)
	if f := c.frame("error"); f.str("code") != "not_found" {
		t.Fatal(f)
	}
}

func TestSubprotocolsOfTheApplication(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.Subprotocols = []string{"superchat", "chat"} })
	for _, test := range []struct {
		offered        []string
		chosen         string
		mode, protocol string
	}{
		{[]string{"chat", "superchat"}, "chat", "plain", "chat"},
		{[]string{"other", "superchat"}, "superchat", "plain", "superchat"},
		{[]string{"wirepost.plain", "chat"}, "chat", "plain", "chat"},
		{[]string{"wirepost.plain", "other"}, "wirepost.plain", "plain", ""},
		{[]string{"chat", "wirepost.v1"}, "wirepost.v1", "wirepost.v1", ""},
		{[]string{"other"}, "", "plain", ""},
		{[]string{"Chat"}, "", "plain", ""},
	} {
		c := n.dial("42", test.offered...)
		s := n.sessions("42")[0]
		if c.Subprotocol() != test.chosen || s.Mode != test.mode || s.Protocol != test.protocol {
			t.Errorf("offered %q: got %q, session %+v", test.offered, c.Subprotocol(), s)
		}
		c.leave()
		n.gone("42")
	}
	for _, bad := range []string{"", "two words", "wirepost.v1", "wirepost.plain", "bearer.x", "a,b", "ü"} {
		_, err := wirepost.New(wirepost.Options{Authenticate: byQuery, Subprotocols: []string{bad}})
		wantOption(t, err, "Subprotocols")
	}
}

func TestOnConnectMayRefuse(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		o.OnConnect = func(_ *http.Request, s wirepost.Session) error {
			if s.Device == "banned" {
				return &wirepost.Error{Code: wirepost.CodeForbidden, Status: 418, Message: "short and stout"}
			}
			return nil
		}
	})
	if _, resp, _ := n.tryDial("user=42&device=banned"); resp == nil || resp.StatusCode != 418 {
		t.Fatalf("%v", resp)
	}
	n.dial("42")
}

func TestDisconnectByTheApplication(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	plain := n.dial("42")
	v1, hello := n.dialV1("42")
	if _, err := n.Disconnect(t.Context(), "42", "nobody"); wirepost.AsError(err).Code != wirepost.CodeNotFound {
		t.Fatalf("an unknown connection: %v", err)
	}
	if k, err := n.Disconnect(t.Context(), "42", hello.str("connection")); k != 1 || err != nil {
		t.Fatal(k, err)
	}
	if bye := v1.frame("bye"); bye.num("code") != 4409 {
		t.Fatal(bye)
	}
	if code := v1.closeCode(); code != 4409 {
		t.Fatalf("closed with %d", code)
	}
	n.Disconnect(t.Context(), "42", "")
	if code := plain.closeCode(); code != 4409 {
		t.Fatalf("closed with %d", code)
	}
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t)
		begun := time.Now()
		alive, silent := n.dial("alive"), n.dial("silent").pingless()
		go alive.ReadMessage()
		if code := silent.closeCode(); code != 4408 {
			t.Fatalf("a silent connection closed with %d", code)
		}
		if after := time.Since(begun); after < 60*time.Second || after > 61*time.Second {
			t.Fatalf("it closed after %s, want 2.4 heartbeats", after)
		}
		time.Sleep(10 * time.Minute)
		if n.online("alive") != 1 {
			t.Fatal("a connection that replies to pings was closed")
		}
	})
}

func TestTokensExpireAndAreRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		verify := func(_ context.Context, token string) (wirepost.Identity, error) {
			user, life, ok := strings.Cut(token, "/")
			d, err := time.ParseDuration(life)
			if !ok || err != nil {
				return wirepost.Identity{}, wirepost.Errorf(wirepost.CodeUnauthorized, "bad token")
			}
			return wirepost.Identity{User: user, Expires: time.Now().Add(d), Channels: []string{"room:" + life}}, nil
		}
		n := newPipeNode(t, func(o *wirepost.Options) { o.Authenticate, o.VerifyToken = nil, verify })
		dial := func() (*client, frame) {
			c, _, err := n.tryDial("token=42/1m", "wirepost.v1")
			if err != nil {
				t.Fatal(err)
			}
			return c, c.frame("hello")
		}
		c, hello := dial()
		if left := time.Until(time.UnixMilli(int64(hello.num("expires")))); left > time.Minute || left < 59*time.Second {
			t.Fatalf("expires in %s", left)
		}
		begun := time.Now()
		c.send(`{"type":"auth","ref":1,"token":"nonsense"}`)
		if f := c.frame("error"); f.str("code") != "forbidden" {
			t.Fatal(f)
		}
		if left := hello.num("expires_in_ms"); left > 60_000 || left < 59_000 {
			t.Fatalf("expires in %d ms", left)
		}
		c.send(`{"type":"auth","ref":2,"token":"42/2m"}`)
		if left := c.frame("ok").num("expires_in_ms"); left > 120_000 || left < 119_000 {
			t.Fatalf("expires in %d ms", left)
		}
		if f := c.frame("unsubscribed"); f.str("channel") != "room:1m" {
			t.Fatal(f)
		}
		if f := c.frame("subscribed"); f.str("channel") != "room:2m" {
			t.Fatal(f)
		}
		if bye := c.frame("bye"); bye.num("code") != 4401 {
			t.Fatal(bye)
		}
		if code := c.closeCode(); code != 4401 || time.Since(begun) < 2*time.Minute {
			t.Fatalf("closed with %d after %s", code, time.Since(begun))
		}
		c, _ = dial()
		c.send(`{"type":"auth","ref":3,"token":"43/2m"}`)
		c.frame("error")
		if code := c.closeCode(); code != 4401 {
			t.Fatalf("another subject: closed with %d", code)
		}
	})
}

func TestDevicesAreBounded(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.MaxDevices = 2 })
	n.dial("42&device=a").leave()
	n.gone("42")
	n.dial("42&device=b")
	n.dial("42&device=c")
	info, _ := n.User(t.Context(), "42")
	if d := info.Channels["user:42"].Devices; len(d) != 2 {
		t.Fatalf("devices %v, want b and c", d)
	}
	if _, resp, _ := n.tryDial("user=42&device=d"); resp == nil || resp.StatusCode != 429 {
		t.Fatalf("%v", resp)
	}
}

func TestReceipts(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	acked, _ := n.dialV1("42&device=acked")
	n.dialV1("42&device=sent")
	n.dial("42&device=away").leave()
	eventually(t, "away left", func() bool { return n.online("42") == 2 })
	m := n.json("user:42", "1")
	acked.message("1")
	acked.send(`{"type":"ack","channel":"user:42","seq":%d}`, m.Seq)
	want := "[{42 acked acknowledged} {42 away stored} {42 sent sent}]"
	eventually(t, want, func() bool {
		_, receipts, err := n.Message(t.Context(), "user:42", m.Seq)
		return err == nil && fmt.Sprint(receipts) == want
	})
	n.MarkRead(t.Context(), "42", "user:42", m.Seq)
	_, receipts, _ := n.Message(t.Context(), "user:42", m.Seq)
	if fmt.Sprint(receipts) != "[{42 acked read} {42 away read} {42 sent read}]" {
		t.Fatal(receipts)
	}
	if _, _, err := n.Message(t.Context(), "user:42", 99); wirepost.AsError(err).Code != wirepost.CodeNotFound {
		t.Fatal(err)
	}
}

func TestShutdownNotifiesAllClients(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	v1, _ := n.dialV1("42")
	plain := n.dial("43")
	done := make(chan error, 1)
	go func() { done <- n.Shutdown(context.Background()) }()
	if bye := v1.frame("bye"); bye.num("code") != 1012 || bye.num("retry_after_ms") == 0 {
		t.Fatal(bye)
	}
	for _, c := range []*client{v1, plain} {
		if code := c.closeCode(); code != 1012 {
			t.Fatalf("closed with %d", code)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := n.Push(context.Background(), wirepost.Push{To: "x", Data: []byte("1")}); wirepost.AsError(err).Code != wirepost.CodeUnavailable {
		t.Fatalf("push after shutdown: %v", err)
	}
	if _, resp, _ := n.tryDial("user=42"); resp == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Fatalf("connect after shutdown: %v", resp)
	}
}

func TestShutdownEndsWhenClientsDoNotRespond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t)
		n.dial("42") // never reads
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		begun := time.Now()
		if err := n.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("shutdown: %v", err)
		}
		if d := time.Since(begun); d > 2*time.Second {
			t.Fatalf("it took %s", d)
		}
	})
}
