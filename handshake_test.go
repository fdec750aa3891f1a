package wirepost_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/wirepost/wirepost"
)

// handshakeLines are the lines of the example in RFC 6455 §1.3, by names with which a
// rule may replace or drop them.
var handshakeLines = [][2]string{
	{"Request", "GET /ws?user=42 HTTP/1.1"},
	{"Host", "Host: HOST"},
	{"Upgrade", "Upgrade: websocket"},
	{"Connection", "Connection: Upgrade"},
	{"Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="},
	{"Version", "Sec-WebSocket-Version: 13"},
}

// handshakeRule is one rule of RFC 6455 §4, or of RFC 7692 §5 and §7 where the section
// says so: a request that differs from the example in the named lines, and the expected
// response.
type handshakeRule struct {
	section, rule string
	lines         map[string]string // "" drops the line; \n separates several; other names add one
	status        int
	protocol      string // of the response
	extension     string
	header        string // of the response: "Name: value"
	body          string // of the request
}

const (
	deflate      = "permessage-deflate"
	deflateNoCtx = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
)

func extension(offer string) map[string]string {
	return map[string]string{"Extensions": "Sec-WebSocket-Extensions: " + strings.ReplaceAll(offer, "\n", "\nSec-WebSocket-Extensions: ")}
}

func protocols(offer string) map[string]string {
	return map[string]string{"Protocol": "Sec-WebSocket-Protocol: " + strings.ReplaceAll(offer, "\n", "\nSec-WebSocket-Protocol: ")}
}

var handshakeRules = []handshakeRule{
	{"1.3", "the example of the RFC", nil, 101, "", "", "Sec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", ""},

	{"4.2.1-1", "HTTP/1.0 cannot upgrade", map[string]string{"Request": "GET /ws?user=42 HTTP/1.0"}, 505, "", "", "", ""},
	{"4.2.1-1", "POST is not a handshake", map[string]string{"Request": "POST /ws?user=42 HTTP/1.1"}, 405, "", "", "Allow: GET", ""},
	{"4.2.1-1", "HEAD is not a handshake", map[string]string{"Request": "HEAD /ws?user=42 HTTP/1.1"}, 405, "", "", "Allow: GET", ""},
	{"4.2.1-1", "OPTIONS is not a handshake", map[string]string{"Request": "OPTIONS /ws?user=42 HTTP/1.1"}, 405, "", "", "Allow: GET", ""},
	{"4.2.1-1", "methods are case-sensitive", map[string]string{"Request": "get /ws?user=42 HTTP/1.1"}, 405, "", "", "", ""},
	{"4.1-2", "the resource may be an absolute URI", map[string]string{"Request": "GET http://HOST/ws?user=42 HTTP/1.1"}, 101, "", "", "", ""},
	{"4.2.1-2", "Host is required", map[string]string{"Host": ""}, 400, "", "", "", ""},
	{"4.2.1-2", "one Host only", map[string]string{"Host": "Host: HOST\nHost: HOST"}, 400, "", "", "", ""},
	{"4.1", "a handshake has no body", map[string]string{"Length": "Content-Length: 2"}, 400, "", "", "Connection: close", "\x89\x80"},
	{"4.1", "not even one that is never sent", map[string]string{"Length": "Content-Length: 5"}, 400, "", "", "Connection: close", ""},
	{"4.1", "not even one in chunks", map[string]string{"Length": "Transfer-Encoding: chunked"}, 400, "", "", "Connection: close", "2\r\n\x89\x80\r\n0\r\n\r\n"},
	{"4.1", "an empty body in chunks is allowed", map[string]string{"Length": "Transfer-Encoding: chunked"}, 101, "", "", "", "0\r\n\r\n"},
	{"4.1", "an empty body is allowed", map[string]string{"Length": "Content-Length: 0"}, 101, "", "", "", ""},

	{"4.2.1-3", "Upgrade is required", map[string]string{"Upgrade": ""}, 426, "", "", "Upgrade: websocket", ""},
	{"4.2.1-3", "Upgrade names websocket", map[string]string{"Upgrade": "Upgrade: h2c"}, 426, "", "", "", ""},
	{"4.2.1-3", "a longer word is not websocket", map[string]string{"Upgrade": "Upgrade: websockets"}, 426, "", "", "", ""},
	{"4.2.1-3", "any case", map[string]string{"Upgrade": "Upgrade: WebSocket"}, 101, "", "", "", ""},
	{"4.2.1-3", "one of several", map[string]string{"Upgrade": "Upgrade: h2c, websocket"}, 101, "", "", "", ""},
	{"4.2.1-3", "in several lines", map[string]string{"Upgrade": "Upgrade: h2c\nUpgrade: websocket"}, 101, "", "", "", ""},
	{"4.2.1-4", "Connection is required", map[string]string{"Connection": ""}, 426, "", "", "", ""},
	{"4.2.1-4", "Connection names Upgrade", map[string]string{"Connection": "Connection: keep-alive"}, 426, "", "", "", ""},
	{"4.2.1-4", "any case", map[string]string{"Connection": "Connection: uPGRADE"}, 101, "", "", "", ""},
	{"4.2.1-4", "one of several", map[string]string{"Connection": "Connection: keep-alive,Upgrade"}, 101, "", "", "", ""},
	{"4.2.1-4", "in several lines", map[string]string{"Connection": "Connection: keep-alive\nConnection: Upgrade"}, 101, "", "", "", ""},

	{"4.2.1-5", "the key is required", map[string]string{"Key": ""}, 400, "", "", "", ""},
	{"4.2.1-5", "an empty key", map[string]string{"Key": "Sec-WebSocket-Key:"}, 400, "", "", "", ""},
	{"4.2.1-5", "15 bytes", map[string]string{"Key": "Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1"}, 400, "", "", "", ""},
	{"4.2.1-5", "60 bytes", map[string]string{"Key": "Sec-WebSocket-Key: QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD"}, 400, "", "", "", ""},
	{"4.2.1-5", "17 bytes", map[string]string{"Key": "Sec-WebSocket-Key: MTIzNDU2Nzg5MDEyMzQ1Njc="}, 400, "", "", "", ""},
	{"4.2.1-5", "without its padding", map[string]string{"Key": "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"}, 400, "", "", "", ""},
	{"4.2.1-5", "not base64", map[string]string{"Key": "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j*Q=="}, 400, "", "", "", ""},
	{"4.2.1-5", "the URL alphabet of base64", map[string]string{"Key": "Sec-WebSocket-Key: ____________________-w=="}, 400, "", "", "", ""},
	{"4.2.1-5", "white space around it", map[string]string{"Key": "Sec-WebSocket-Key: \t dGhlIHNhbXBsZSBub25jZQ== \t"}, 101, "", "", "Sec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", ""},
	{"11.3.1", "one key only", map[string]string{"Key": "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}, 400, "", "", "", ""},
	{"4.2.1-6", "the version is required", map[string]string{"Version": ""}, 426, "", "", "Sec-Websocket-Version: 13", ""},
	{"4.4", "an older version gets the supported one", map[string]string{"Version": "Sec-WebSocket-Version: 8"}, 426, "", "", "Sec-Websocket-Version: 13", ""},
	{"4.4", "a newer version", map[string]string{"Version": "Sec-WebSocket-Version: 14"}, 426, "", "", "Sec-Websocket-Version: 13", ""},
	{"4.1-9", "no leading zeros", map[string]string{"Version": "Sec-WebSocket-Version: 013"}, 426, "", "", "", ""},
	{"4.1-9", "a request names one version", map[string]string{"Version": "Sec-WebSocket-Version: 13, 8"}, 426, "", "", "", ""},
	{"11.3.5", "one version only", map[string]string{"Version": "Sec-WebSocket-Version: 13\nSec-WebSocket-Version: 8"}, 426, "", "", "", ""},

	{"4.2.1-7", "a page of this server", map[string]string{"Origin": "Origin: http://HOST"}, 101, "", "", "", ""},
	{"4.2.1-7", "another host", map[string]string{"Origin": "Origin: http://evil.test"}, 403, "", "", "", ""},
	{"4.2.1-7", "another port", map[string]string{"Origin": "Origin: http://127.0.0.1:1"}, 403, "", "", "", ""},
	{"4.2.1-7", "a page without an origin", map[string]string{"Origin": "Origin: null"}, 403, "", "", "", ""},
	{"4.2.1-7", "the host as a user of another one", map[string]string{"Origin": "Origin: http://HOST@evil.test"}, 403, "", "", "", ""},
	{"4.2.1-7", "an allowed and a refused one", map[string]string{"Origin": "Origin: http://HOST\nOrigin: http://evil.test"}, 403, "", "", "", ""},

	{"4.2.2-5.5", "no subprotocol was offered", nil, 101, "", "", "", ""},
	{"4.2.2-5.5", "no known one", protocols("mqtt, stomp"), 101, "", "", "", ""},
	{"4.2.2-5.5", "plain", protocols("wirepost.plain"), 101, "wirepost.plain", "", "", ""},
	{"4.2.2-5.5", "one of several", protocols("mqtt, wirepost.plain"), 101, "wirepost.plain", "", "", ""},
	{"4.2.2-5.5", "in several lines", protocols("mqtt\nwirepost.plain"), 101, "wirepost.plain", "", "", ""},
	{"4.2.2-5.5", "names are case-sensitive", protocols("WIREPOST.plain"), 101, "", "", "", ""},
	{"4.2.2-5.5", "one of two offers", protocols("wirepost.plain, wirepost.v1"), 101, "wirepost.v1", "", "", ""},
	{"4.2.2-5.5", "the client's order decides", protocols("app.two, app.one"), 101, "app.two", "", "", ""},
	{"4.2.2-5.5", "a token is never chosen", protocols("bearer.abc"), 101, "", "", "", ""},
	{"4.2.2-5.5", "an empty list", protocols(",, ,"), 101, "", "", "", ""},

	{"4.2.2-5.6", "no extension was offered", nil, 101, "", "", "", ""},
	{"4.2.2-5.6", "an unknown extension", extension("x-webkit-mystery"), 101, "", "", "", ""},
	{"7692 5", "deflate", extension(deflate), 101, "", deflateNoCtx, "", ""},
	{"7692 5", "one of several", extension("x-mystery; a=b, " + deflate), 101, "", deflateNoCtx, "", ""},
	{"7692 5", "in several lines", extension("x-mystery\n" + deflate), 101, "", deflateNoCtx, "", ""},
	{"7692 5", "the first acceptable offer", extension(deflate + "; server_max_window_bits=7, " + deflate), 101, "", deflateNoCtx, "", ""},
	{"7692 7.1", "an unknown parameter", extension(deflate + "; speed=9"), 101, "", "", "", ""},
	{"7692 7.1", "a parameter twice", extension(deflate + "; client_max_window_bits; client_max_window_bits"), 101, "", "", "", ""},
	{"7692 7.1.1.1", "no value", extension(deflate + "; server_no_context_takeover=1"), 101, "", "", "", ""},
	{"7692 7.1.2.1", "a smaller window is repeated", extension(deflate + "; server_max_window_bits=8"), 101, "", deflateNoCtx + "; server_max_window_bits=8", "", ""},
	{"7692 7.1.2.1", "the whole window is repeated", extension(deflate + "; server_max_window_bits=15"), 101, "", deflateNoCtx + "; server_max_window_bits=15", "", ""},
	{"7692 7.1.2.1", "a window of 16 bits", extension(deflate + "; server_max_window_bits=16"), 101, "", "", "", ""},
	{"7692 7.1.2.2", "the client's window", extension(deflate + "; client_max_window_bits"), 101, "", deflateNoCtx, "", ""},
	{"7692 7.1.2.2", "the client's window in quotes", extension(deflate + `; client_max_window_bits="12"`), 101, "", deflateNoCtx, "", ""},
	{"7692 7.1.2.2", "a leading zero", extension(deflate + "; client_max_window_bits=08"), 101, "", "", "", ""},
	{"9.1", "names of extensions are whole", extension("permessage-deflates"), 101, "", "", "", ""},
	{"9.1", "quotes that are not closed", extension(deflate + `; client_max_window_bits="12`), 101, "", "", "", ""},
}

// TestHandshakeRules sends each request to the server as bytes.
func TestHandshakeRules(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		o.Compress, o.Subprotocols = true, []string{"app.one", "app.two"}
	})
	for _, rule := range handshakeRules {
		t.Run(rule.section+" "+rule.rule, func(t *testing.T) {
			t.Parallel()
			nc, in, resp := rule.send(t, n)
			defer nc.Close()
			defer resp.Body.Close()
			h := resp.Header
			if resp.StatusCode != rule.status {
				t.Fatalf("the status is %s, want %d", resp.Status, rule.status)
			}
			if got := strings.Join(h.Values("Sec-WebSocket-Protocol"), " and "); got != rule.protocol {
				t.Errorf("subprotocol %q, want %q", got, rule.protocol)
			}
			if got := strings.Join(h.Values("Sec-WebSocket-Extensions"), " and "); got != rule.extension {
				t.Errorf("extension %q, want %q", got, rule.extension)
			}
			if resp.Close { // net/http removes the header
				h.Set("Connection", "close")
			}
			if name, value, ok := strings.Cut(rule.header, ": "); ok && !slices.Equal(h[name], []string{value}) {
				t.Errorf("%s is %q, want %q", name, h[name], value)
			}
			if rule.status == http.StatusSwitchingProtocols {
				checkSwitched(t, nc, in, resp)
			}
		})
	}
}

// send sends the rule's request.
func (rule *handshakeRule) send(t *testing.T, n *node) (net.Conn, *bufio.Reader, *http.Response) {
	t.Helper()
	var head strings.Builder
	add := func(lines string) {
		if lines != "" {
			head.WriteString(strings.ReplaceAll(lines, "\n", "\r\n") + "\r\n")
		}
	}
	rest := make(map[string]string)
	for name, lines := range rule.lines {
		rest[name] = lines
	}
	for _, line := range handshakeLines {
		lines, replaced := rest[line[0]]
		if !replaced {
			lines = line[1]
		}
		add(lines)
		delete(rest, line[0])
	}
	for _, lines := range rest {
		add(lines)
	}
	nc, err := net.Dial("tcp", n.host)
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(nc, strings.ReplaceAll(head.String(), "HOST", n.host)+"\r\n"+rule.body)
	in := bufio.NewReader(nc)
	method, _, _ := strings.Cut(head.String(), " ")
	resp, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	return nc, in, resp
}

// checkSwitched checks the rest of a 101 (RFC 6455 §4.2.2-5): its required headers,
// once each, and that frames follow.
func checkSwitched(t *testing.T, nc net.Conn, in *bufio.Reader, resp *http.Response) {
	t.Helper()
	h := resp.Header
	if resp.Proto != "HTTP/1.1" || len(h["Upgrade"]) != 1 || !strings.EqualFold(h.Get("Upgrade"), "websocket") ||
		len(h["Connection"]) != 1 || !strings.EqualFold(h.Get("Connection"), "upgrade") || len(h["Sec-Websocket-Accept"]) != 1 {
		t.Errorf("the response has %s %v", resp.Proto, h)
	}
	for _, name := range []string{"Content-Length", "Transfer-Encoding", "Sec-WebSocket-Version"} { // RFC 9110 §8.6
		if h.Values(name) != nil {
			t.Errorf("a 101 has %s", name)
		}
	}
	if err := ws.WriteFrame(nc, ws.MaskFrameInPlace(ws.NewPingFrame([]byte("p")))); err != nil {
		t.Fatal(err)
	}
	for {
		head, err := ws.ReadHeader(in)
		if err != nil {
			t.Fatalf("no pong: %v", err)
		}
		payload := make([]byte, head.Length)
		if _, err := io.ReadFull(in, payload); err != nil {
			t.Fatal(err)
		}
		if head.OpCode == ws.OpPong && string(payload) == "p" {
			return
		}
	}
}

// TestFramesWithTheHandshake: a client must wait for the response before it sends
// frames (RFC 6455 §4.1), but early frames are not lost, wherever they are cut.
func TestFramesWithTheHandshake(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.Compress = true })
	request := "GET /ws?user=42 HTTP/1.1\r\nHost: " + n.host + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	ping := ws.MustCompileFrame(ws.MaskFrameInPlace(ws.NewPingFrame([]byte("early"))))
	for cut := range len(ping) + 1 {
		nc, err := net.Dial("tcp", n.host)
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(nc, "%s%s", request, ping[:cut])
		in := bufio.NewReader(nc)
		resp, err := http.ReadResponse(in, nil)
		if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%v %v", resp, err)
		}
		nc.Write(ping[cut:])
		if f, err := ws.ReadFrame(in); err != nil || f.Header.OpCode != ws.OpPong || string(f.Payload) != "early" {
			t.Fatalf("cut at %d: %+v %v", cut, f, err)
		}
		nc.Close()
	}
	n.gone("42")
}

// TestHandshakeBehindProxy checks what a client is told whose handshake went through a proxy
// that is not set up for WebSockets.
func TestHandshakeBehindProxy(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, tt := range []struct {
		name  string
		lines map[string]string
		want  string
	}{
		{"a page", map[string]string{"Upgrade": "", "Connection": "", "Key": "", "Version": ""}, "this is a WebSocket endpoint"},
		{"headers removed", map[string]string{"Upgrade": "", "Connection": "Connection: close"}, "a proxy in between has to forward"},
		{"HTTP/1.0", map[string]string{"Request": "GET /ws?user=42 HTTP/1.0"}, "a proxy in between has to be set to"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			nc, _, resp := (&handshakeRule{lines: tt.lines}).send(t, n)
			defer nc.Close()
			defer resp.Body.Close()
			if got, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(got), tt.want) {
				t.Errorf("%s %q %v, want %q", resp.Status, got, err, tt.want)
			}
		})
	}
}
