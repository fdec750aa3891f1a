package dial

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	gobwas "github.com/gobwas/ws"

	"github.com/wirepost/wirepost/internal/ws"
	"github.com/wirepost/wirepost/internal/ws/wstest"
)

// rfcRule is one rule of RFC 6455 (or of RFC 7692, where the section says so) for
// what a server sends, and what has to come of it.
type rfcRule struct {
	section, rule string
	send          string
	got           []string // messages: t or b and the payload
	pong          string   // the payload of the pong that the client sends, "-" for none
	closes        int      // the code that the client closes with: stays, empty, or a number
	deflate       bool     // compression was agreed on
}

const (
	stays = -1
	empty = 0
	most  = 1000 // bytes a message may have here
)

// srv is a server's frame with that first byte, its length encoded as it should be.
func srv(first byte, payload string) string {
	frame := ws.AppendFrame(nil, ws.OpText, []byte(payload))
	frame[0] = first
	return string(frame)
}

func xs(n int) string { return strings.Repeat("x", n) }

func closing(code int, reason string) string {
	return srv(0x88, string([]byte{byte(code >> 8), byte(code)})+reason)
}

var rfcRules = []rfcRule{
	{"5.1", "a server's frames are not masked", srv(0x81, "x"), []string{"tx"}, "-", stays, false},
	{"5.1", "a masked text frame", "\x81\x81\x00\x00\x00\x00x", nil, "-", 1002, false},
	{"5.1", "a masked ping", "\x89\x80\x00\x00\x00\x00", nil, "-", 1002, false},
	{"5.1", "a masked close", "\x88\x80\x00\x00\x00\x00", nil, "-", 1002, false},

	{"5.2", "RSV1 without an extension", srv(0xC1, "x"), nil, "-", 1002, false},
	{"5.2", "RSV2", srv(0xA1, "x"), nil, "-", 1002, false},
	{"5.2", "RSV3", srv(0x91, "x"), nil, "-", 1002, false},
	{"5.2", "RSV on a control frame", srv(0x99, ""), nil, "-", 1002, false},
	{"5.2", "opcode 3", srv(0x83, ""), nil, "-", 1002, false},
	{"5.2", "opcode 7", srv(0x87, ""), nil, "-", 1002, false},
	{"5.2", "opcode 11", srv(0x8B, ""), nil, "-", 1002, false},
	{"5.2", "opcode 15", srv(0x8F, ""), nil, "-", 1002, false},
	{"5.2", "125 bytes take one byte of length", srv(0x81, xs(125)), []string{"t" + xs(125)}, "-", stays, false},
	{"5.2", "126 bytes take two", srv(0x82, xs(126)), []string{"b" + xs(126)}, "-", stays, false},
	{"5.2", "two bytes for 125", "\x81\x7E\x00\x7D" + xs(125), nil, "-", 1002, false},
	{"5.2", "eight bytes for 65535", "\x81\x7F\x00\x00\x00\x00\x00\x00\xFF\xFF", nil, "-", 1002, false},
	{"5.2", "the highest bit of a length", "\x82\x7F\x80\x00\x00\x00\x00\x00\x00\x01", nil, "-", 1002, false},
	{"5.2", "the longest length there is", "\x82\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", nil, "-", 1009, false},

	{"5.4", "a message in fragments", srv(0x02, "a") + srv(0x00, "") + srv(0x80, "b"), []string{"bab"}, "-", stays, false},
	{"5.4", "a continuation of nothing", srv(0x80, "x"), nil, "-", 1002, false},
	{"5.4", "a continuation after the last one", srv(0x01, "a") + srv(0x80, "b") + srv(0x80, "c"), []string{"tab"}, "-", 1002, false},
	{"5.4", "a message inside a message", srv(0x01, "a") + srv(0x81, "b"), nil, "-", 1002, false},
	{"5.4", "a ping between fragments is answered", srv(0x01, "a") + srv(0x89, "p") + srv(0x80, "b"), []string{"tab"}, "p", stays, false},
	{"5.4", "before the message has come to its end", srv(0x01, "a") + srv(0x89, "p"), nil, "p", stays, false},
	{"5.4", "a close between fragments", srv(0x01, "a") + closing(1000, ""), nil, "-", 1000, false},

	{"5.5", "a ping of 125 bytes", srv(0x89, xs(125)), nil, xs(125), stays, false},
	{"5.5", "a ping of 126 bytes", "\x89\x7E", nil, "-", 1002, false},
	{"5.5", "a close of 126 bytes", "\x88\x7E", nil, "-", 1002, false},
	{"5.5", "a ping in fragments", srv(0x09, "x"), nil, "-", 1002, false},
	{"5.5", "a close in fragments", srv(0x08, ""), nil, "-", 1002, false},
	{"5.5.1", "the answer has the code of the close frame", closing(4321, "why"), nil, "-", 4321, false},
	{"5.5.1", "a close frame without a code", srv(0x88, ""), nil, "-", empty, false},
	{"5.5.1", "a close frame of one byte", srv(0x88, "\x03"), nil, "-", 1002, false},
	{"5.5.1", "a reason that is no UTF-8", closing(1000, "\xC3("), nil, "-", 1007, false},
	{"5.5.1", "nothing is taken behind a close frame", closing(1000, "") + srv(0x81, "x") + srv(0x89, "p"), nil, "-", 1000, false},
	{"5.5.2", "an empty ping", srv(0x89, ""), nil, "", stays, false},
	{"5.5.3", "a pong that nobody asked for", srv(0x8A, "x"), nil, "-", stays, false},

	{"5.6", "a character across fragments", srv(0x01, "\xF0\x9F") + srv(0x80, "\x98\x80"), []string{"t😀"}, "-", stays, false},
	{"5.6", "binary is anything", srv(0x82, "\xFF"), []string{"b\xFF"}, "-", stays, false},
	{"8.1", "text that is no UTF-8", srv(0x81, "\xFF"), nil, "-", 1007, false},
	{"8.1", "a character that the message's end cuts", srv(0x81, "\xE2\x82"), nil, "-", 1007, false},
	{"8.1", "fail fast: the frame is not at its end", srv(0x81, "\xFF"+xs(100))[:10], nil, "-", 1007, false},
	{"8.1", "fail fast: the message is not at its end", srv(0x01, "a\xC0"), nil, "-", 1007, false},
	{"8.1", "fail fast: across fragments", srv(0x01, "\xE2") + srv(0x00, "\x28"), nil, "-", 1007, false},

	{"7.4.1", "a message of a size that is not taken", srv(0x82, xs(most+1))[:4], nil, "-", 1009, false},
	{"7.4.1", "fragments that are too long together", srv(0x02, xs(most)) + srv(0x00, "x")[:2], nil, "-", 1009, false},

	{"7692 6", "a compressed message", srv(0xC1, wstest.Deflated("Hello")), []string{"tHello"}, "-", stays, true},
	{"7692 6", "one that is not, beside it", srv(0xC1, wstest.Deflated("a")) + srv(0x82, "b"), []string{"ta", "bb"}, "-", stays, true},
	{"7692 6", "only the first fragment is marked", srv(0x41, wstest.Deflated("Hello")[:2]) + srv(0x80, wstest.Deflated("Hello")[2:]), []string{"tHello"}, "-", stays, true},
	{"7692 6", "RSV1 on a continuation", srv(0x01, "a") + srv(0xC0, "b"), nil, "-", 1002, true},
	{"7692 6", "RSV1 on a ping", srv(0xC9, ""), nil, "-", 1002, true},
	{"7692 6", "RSV1 on a close", srv(0xC8, ""), nil, "-", 1002, true},
	{"7692 7.2.2", "data that is no DEFLATE", srv(0xC1, "hello hello"), nil, "-", 1007, true},
	{"7692 7.2.2", "what refers to the message before", srv(0xC1, wstest.Deflated("Hello")) + srv(0xC1, "\xf2\x00\x11\x00\x00"), []string{"tHello"}, "-", 1007, true},
	{"7692 8", "a bomb", srv(0xC1, wstest.Deflated(strings.Repeat("0", 100_000))), nil, "-", 1009, true},
	{"8.1", "compressed text that is no UTF-8", srv(0xC1, wstest.Deflated("a\xFF")), nil, "-", 1007, true},
}

func rfcCloseCodes() (rules []rfcRule) {
	for _, code := range []int{1000, 1001, 1011, 1014, 3000, 4999} {
		rules = append(rules, rfcRule{"7.4", fmt.Sprint("close code ", code), closing(code, ""), nil, "-", code, false})
	}
	for _, code := range []int{0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535} {
		rules = append(rules, rfcRule{"7.4", fmt.Sprint("close code ", code), closing(code, ""), nil, "-", 1002, false})
	}
	return rules
}

// TestRFC6455 sends what a server may and may not send, whole and byte by byte.
func TestRFC6455(t *testing.T) {
	for _, rule := range append(rfcCloseCodes(), rfcRules...) {
		t.Run(rule.section+" "+rule.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { rule.obey(t, len(rule.send)) })
			synctest.Test(t, func(t *testing.T) { rule.obey(t, 1) })
		})
	}
}

func (rule rfcRule) obey(t *testing.T, size int) {
	here, there := net.Pipe()
	c := newConn(here, "", nil, most, rule.deflate)
	ended := make(chan []string, 1)
	go func() {
		var got []string
		for {
			data, binary, err := c.Read()
			if err != nil {
				if _, ok := errors.AsType[*CloseError](err); !ok {
					t.Errorf("ended with %v", err)
				}
				ended <- got
				return
			}
			kind := map[bool]string{false: "t", true: "b"}[binary]
			got = append(got, kind+string(data))
		}
	}()
	closes, send := rule.closes, rule.send
	if closes == stays {
		send, closes = send+closing(4999, ""), 4999
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for part := range slices.Chunk([]byte(send), size+len(send)-len(rule.send)) {
			if _, err := there.Write(part); err != nil {
				return // it hung up, as it may
			}
		}
	}()
	if rule.pong != "-" {
		if op, payload := frame(t, there); op != gobwas.OpPong || payload != rule.pong {
			t.Errorf("answered %v %q", op, payload)
		}
	}
	op, payload := frame(t, there)
	want := string([]byte{byte(closes >> 8), byte(closes)})
	if op != gobwas.OpClose || closes == empty && payload != "" || closes != empty && !strings.HasPrefix(payload, want) {
		t.Errorf("closed with %v %q, want %d", op, payload, closes)
	}
	there.Close()
	<-sent
	if got := <-ended; !slices.Equal(got, rule.got) {
		t.Errorf("got %.60q, want %.60q", got, rule.got)
	}
}

// TestHandshakeAnswers goes through what a server may answer (RFC 6455 §4.1, the
// list at its end, and RFC 7692 §7.1), besides what TestHandshake has.
func TestHandshakeAnswers(t *testing.T) {
	with := func(lines string) string { return good + lines + "\n" }
	swap := func(old, with string) string { return strings.Replace(good, old, with, 1) }
	const protocol, ext = "Sec-WebSocket-Protocol: ", "Sec-WebSocket-Extensions: "
	const deflate = ext + "permessage-deflate; server_no_context_takeover"
	for _, tc := range []struct{ section, rule, answer, want string }{
		{"4.1-1", "200 is no upgrade", "HTTP/1.1 200 OK\nContent-Length: 0\n", "200"},
		{"4.1-1", "a redirect is not followed", "HTTP/1.1 302 Found\nLocation: ws://wirepost.test/other\nContent-Length: 0\n", "302"},
		{"4.1-1", "nor is 401 answered", "HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Basic\nContent-Length: 0\n", "401"},
		{"4.1-2", "Upgrade in any case", swap("WebSocket\n", "WEBSOCKET\n"), ""},
		{"4.1-2", "one Upgrade only", with("Upgrade: websocket"), "Upgrade"},
		{"4.1-2", "nothing besides websocket", swap("WebSocket\n", "websocket, h2c\n"), "Upgrade"},
		{"4.1-3", "Connection in several lines", swap("keep-alive, Upgrade", "keep-alive\nConnection: uPGRADE"), ""},
		{"4.1-3", "a part of the word is not it", swap("keep-alive, Upgrade", "Upgrades"), "Connection"},
		{"4.1-4", "white space around the proof", swap("ACCEPT", " \t ACCEPT \t "), ""},
		{"4.1-4", "the proof is case-sensitive", swap("ACCEPT", "accept"), "Accept"},
		{"4.1-4", "an empty proof", swap("ACCEPT", ""), "Accept"},
		{"4.1-5", "two extensions", with(deflate + ", x"), "extension"},
		{"4.1-5", "one extension twice", with(deflate + "\n" + deflate[:]), "extension"},
		{"4.1-5", "an empty list", with(ext), "extension"},
		{"4.1-6", "a subprotocol in another case", with(protocol + "A"), "subprotocol"},
		{"4.1-6", "two in one line", with(protocol + "a, b"), "subprotocol"},
		{"4.1-6", "an empty one", with(protocol), "subprotocol"},
		{"7692 7.1.1.1", "no context", with(deflate), ""},
		{"7692 7.1.1.2", "neither way", with(deflate + "; client_no_context_takeover"), ""},
		{"7692 7.1.2.1", "a smaller window", with(deflate + "; server_max_window_bits=9"), ""},
		{"7692 7.1.2.1", "a window of 7 bits", with(deflate + "; server_max_window_bits=7"), "terms"},
		{"7692 7.1.2.1", "a window without a size", with(deflate + "; server_max_window_bits"), "terms"},
		{"7692 7.1.2.2", "a limit for the client", with(deflate + "; client_max_window_bits=8"), ""},
		{"7692 7.1.2.2", "a limit for the client without a size", with(deflate + "; client_max_window_bits"), "terms"},
		{"7692 7.1", "an unknown parameter", with(deflate + "; speed=9"), "terms"},
		{"7692 7.1", "a parameter twice", with(deflate + "; server_no_context_takeover"), "terms"},
		{"7692 7.1", "a value that there is none of", with(ext + "permessage-deflate; server_no_context_takeover=1"), "terms"},
	} {
		t.Run(tc.section+" "+tc.rule, func(t *testing.T) {
			o := Options{Subprotocols: []string{"a", "b"}, Deflate: true, DialContext: serve(tc.answer+"\n", nil)}
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

// TestHandshakeRequest is what a client has to send (RFC 6455 §4.1, the list of the
// requirements).
func TestHandshakeRequest(t *testing.T) {
	keys := make(map[string]bool)
	for address, want := range map[string][2]string{
		"ws://wirepost.test":            {"/", "wirepost.test"}, // point 2: the resource is never empty
		"ws://wirepost.test?a=b":        {"/?a=b", "wirepost.test"},
		"ws://wirepost.test:8080/ws":    {"/ws", "wirepost.test:8080"}, // point 4: the port, if it is not the default
		"ws://[::1]:8080/ws?a=%20#frag": {"/ws?a=%20", "[::1]:8080"},   // §3: a fragment is not sent
	} {
		var got *http.Request
		c, err := Dial(t.Context(), address, Options{DialContext: serve(good+"\n", func(r *http.Request) { got = r })})
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
		if got.Method != http.MethodGet || got.Proto != "HTTP/1.1" || got.RequestURI != want[0] || got.Host != want[1] {
			t.Errorf("%s: %s %s of %s in %s", address, got.Method, got.RequestURI, got.Host, got.Proto)
		}
		h := got.Header
		for name, want := range map[string][]string{
			"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Protocol": nil, "Sec-Websocket-Extensions": nil, "Origin": nil,
		} {
			if !slices.Equal(h[name], want) {
				t.Errorf("%s is %q, want %q", name, h[name], want)
			}
		}
		key := h.Get("Sec-Websocket-Key") // point 7: 16 bytes, random each time
		if b, err := base64.StdEncoding.DecodeString(key); err != nil || len(b) != 16 || keys[key] {
			t.Errorf("the key %q: %v", key, err)
		}
		keys[key] = true
	}
}

// TestMasks: each frame that a client sends is masked with a key of its own that is
// hard to foresee (RFC 6455 §5.3).
func TestMasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pair(t)
		go c.Read() //nolint:errcheck // CloseNow ends it
		const frames = 200
		go func() {
			for range frames {
				if err := c.Write(t.Context(), true, []byte("0123456789")); err != nil {
					t.Error(err)
				}
			}
		}()
		seen := make(map[[4]byte]bool)
		for range frames {
			f, err := gobwas.ReadFrame(there)
			if err != nil || !f.Header.Masked || !f.Header.Fin || f.Header.Rsv != 0 {
				t.Fatalf("%+v %v", f.Header, err)
			}
			seen[f.Header.Mask] = true
		}
		if len(seen) < frames-1 {
			t.Errorf("%d keys in %d frames", len(seen), frames)
		}
		c.CloseNow()
	})
}

// TestHandshakeCut: an answer that is cut, at whatever byte, is a connection that
// broke, and no server that cannot speak.
func TestHandshakeCut(t *testing.T) {
	whole := "HTTP/1.1 103 Early Hints\nLink: x\n\n" + good
	for n := range len(whole) + 1 {
		// ACCEPT is longer than its name, so it is cut with its line only.
		_, err := Dial(t.Context(), "ws://wirepost.test/", Options{DialContext: serve(whole[:n], nil)})
		if bad, ok := errors.AsType[*HandshakeError](err); err == nil || ok {
			t.Errorf("cut at %d, behind %.20q: %v", n, whole[max(0, n-20):n], bad)
		}
	}
}
