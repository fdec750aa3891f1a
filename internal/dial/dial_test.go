package dial

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// serve answers one handshake on a pipe with text, in which ACCEPT stands for the
// right key.
func serve(text string, seen func(*http.Request)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			r, err := http.ReadRequest(bufio.NewReader(there))
			if err != nil {
				return
			}
			if seen != nil {
				seen(r)
			}
			sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			accept := base64.StdEncoding.EncodeToString(sum[:])
			there.Write([]byte(strings.ReplaceAll(strings.ReplaceAll(text, "ACCEPT", accept), "\n", "\r\n"))) //nolint:errcheck // the test tells
		}()
		return here, nil
	}
}

const good = "HTTP/1.1 101 Switching Protocols\nUpgrade: WebSocket\nConnection: keep-alive, Upgrade\nSec-WebSocket-Accept: ACCEPT\n"

// TestHandshake is RFC 6455 §4.1, from the client's side.
func TestHandshake(t *testing.T) {
	o := Options{Subprotocols: []string{"a", "b"}, Deflate: true}
	for name, tc := range map[string]struct{ answer, want string }{
		"good":                {good, ""},
		"a subprotocol":       {good + "Sec-WebSocket-Protocol: b\n", ""},
		"deflate":             {good + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\n", ""},
		"after interim":       {"HTTP/1.1 103 Early Hints\nLink: x\n\n" + good, ""},
		"wrong accept":        {strings.Replace(good, "ACCEPT", "AAAA", 1), "Sec-WebSocket-Accept"},
		"no accept":           {strings.Replace(good, "Sec-WebSocket-Accept", "X", 1), "Sec-WebSocket-Accept"},
		"two accepts":         {good + "Sec-WebSocket-Accept: ACCEPT\n", "Sec-WebSocket-Accept"},
		"no upgrade":          {strings.Replace(good, "Upgrade: WebSocket", "X: y", 1), "Upgrade"},
		"wrong upgrade":       {strings.Replace(good, "WebSocket\n", "h2c\n", 1), "Upgrade"},
		"no connection":       {strings.Replace(good, ", Upgrade", "", 1), "Connection"},
		"HTTP/1.0":            {strings.Replace(good, "HTTP/1.1", "HTTP/1.0", 1), "HTTP/1.0"},
		"another subprotocol": {good + "Sec-WebSocket-Protocol: c\n", "subprotocol"},
		"two subprotocols":    {good + "Sec-WebSocket-Protocol: a\nSec-WebSocket-Protocol: b\n", "subprotocol"},
		"another extension":   {good + "Sec-WebSocket-Extensions: x\n", "extension"},
		"other terms":         {good + "Sec-WebSocket-Extensions: permessage-deflate\n", "terms"},
		"no HTTP":             {"SSH-2.0-OpenSSH\n", "not HTTP"},
		"interim for ever":    {strings.Repeat("HTTP/1.1 100 Continue\n\n", 20), "interim"},
		"hung up":             {"", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			o := o
			if tc.answer != "" {
				tc.answer += "\n"
			}
			o.DialContext = serve(tc.answer, nil)
			c, err := Dial(t.Context(), "ws://wirepost.test/", o)
			if err == nil {
				c.CloseNow()
			}
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	o := Options{
		Subprotocols: []string{"a", "b"},
		Header: http.Header{
			"authorization": {"Bearer x"}, "Host": {"other"}, "Sec-Websocket-Key": {"mine"}, "Sec-Websocket-Extensions": {"mine"},
		},
	}
	var got *http.Request
	o.DialContext = serve(good+"\n", func(r *http.Request) { got = r })
	c, err := Dial(t.Context(), "ws://wirepost.test/a%2Fb?c=d#e", o)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	h := got.Header
	if got.RequestURI != "/a%2Fb?c=d" || got.Host != "other" || h.Get("Authorization") != "Bearer x" ||
		len(h["Sec-Websocket-Key"]) != 1 || len(h.Get("Sec-Websocket-Key")) != 24 || h.Get("Sec-Websocket-Extensions") != "" ||
		h.Get("Sec-Websocket-Protocol") != "a, b" || h.Get("Sec-Websocket-Version") != "13" {
		t.Errorf("%s %s %v", got.RequestURI, got.Host, h)
	}
}

func TestRefusal(t *testing.T) {
	dial := serve("HTTP/1.1 403 Forbidden\nContent-Length: 2\nX-A: b\n\nno", nil)
	_, err := Dial(t.Context(), "http://wirepost.test", Options{DialContext: dial})
	if no, ok := errors.AsType[*Refusal](err); !ok || no.Status != 403 || string(no.Body) != "no" || no.Header.Get("X-A") != "b" {
		t.Errorf("%v", err)
	}
	endless := func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			http.ReadRequest(bufio.NewReader(there)) //nolint:errcheck // the test tells
			for fmt.Fprint(there, "HTTP/1.1 500 X\r\n"); ; {
				if _, err := fmt.Fprint(there, "A: b\r\n"); err != nil {
					return
				}
			}
		}()
		return here, nil
	}
	if _, err := Dial(t.Context(), "ws://wirepost.test", Options{DialContext: endless}); err == nil {
		t.Error("a head without end was taken")
	}
}

// TestCancelHandshake: a server that says nothing holds nobody up.
func TestCancelHandshake(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dial := func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			http.ReadRequest(bufio.NewReader(there)) //nolint:errcheck // the test tells
			cancel()
			there.Read(make([]byte, 1)) //nolint:errcheck // until the other side hangs up
		}()
		return here, nil
	}
	if _, err := Dial(ctx, "ws://wirepost.test", Options{DialContext: dial}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// echo is an independent server (gorilla/websocket).
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{"b"}, EnableCompression: r.URL.Query().Has("deflate")}
	c, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	c.WriteControl(websocket.PingMessage, []byte("early"), time.Time{}) //nolint:errcheck // the test tells
	for {
		kind, data, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, data) != nil {
			return
		}
	}
})

func TestEcho(t *testing.T) {
	plain, secure := httptest.NewServer(echo), httptest.NewUnstartedServer(echo)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer plain.Close()
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	for _, address := range []string{plain.URL, secure.URL, plain.URL + "?deflate"} {
		c, err := Dial(t.Context(), address, Options{
			Subprotocols: []string{"a", "b"}, Deflate: true, TLSConfig: &tls.Config{RootCAs: roots},
		})
		if err != nil {
			t.Fatal(err)
		}
		if c.Subprotocol() != "b" {
			t.Errorf("subprotocol %q", c.Subprotocol())
		}
		for n := range 5 {
			data := []byte(strings.Repeat("ü", n*n*n*1000))
			if err := c.Write(t.Context(), n%2 == 1, data); err != nil {
				t.Fatal(err)
			}
			got, binary, err := c.Read()
			if err != nil || binary != (n%2 == 1) || string(got) != string(data) {
				t.Fatalf("message %d: %d bytes, binary %t, %v", n, len(got), binary, err)
			}
		}
		closed := make(chan error)
		go func() { closed <- c.Close(4000, "bye") }()
		_, _, err = c.Read()
		if e, ok := errors.AsType[*CloseError](err); !ok || e.Code != 4000 || !e.Local || e.Err != nil {
			t.Errorf("%v", err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if err := c.Write(t.Context(), false, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
	}
	if _, err := Dial(t.Context(), secure.URL, Options{}); err == nil {
		t.Error("an unknown certificate was taken")
	}
}
