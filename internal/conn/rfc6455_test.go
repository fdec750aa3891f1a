package conn

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/internal/ws"
)

// rfcRule is one rule of RFC 6455 (or of RFC 7692, where the section says so): input of
// a client and the expected result. Rules of the closing handshake that need more than
// input bytes have tests of their own; rfcElsewhere lists them.
type rfcRule struct {
	section, rule string
	send          []byte
	calls         []string // the expected calls of the handler, except Closed
	pong          string   // the payload of the expected pong, "-" for none
	closes        int      // the expected close code: stays, empty, or a number
	deflate       bool     // compression was negotiated
}

const (
	stays = -1 // the connection stays open
	empty = 0  // a close frame without a code
)

// over is the payload of a close frame.
func over(code int, reason string) string {
	return string([]byte{byte(code >> 8), byte(code)}) + reason
}

func head(b ...byte) []byte { return b }

func xs(n int) string { return strings.Repeat("x", n) }

func call(kind, text string) []string { return []string{fmt.Sprintf("%s %q", kind, text)} }

var rfcRules = []rfcRule{
	{"5.1", "a client's frames are masked", textFrame("x"), call("text", "x"), "-", stays, false},
	{"5.1", "an unmasked text frame", head(0x81, 1, 'x'), nil, "-", 1002, false},
	{"5.1", "an unmasked binary frame", head(0x82, 1, 'x'), nil, "-", 1002, false},
	{"5.1", "an unmasked continuation", frames(begins(ws.OpText, "a"), head(0x80, 1, 'x')), nil, "-", 1002, false},
	{"5.1", "an unmasked ping", head(0x89, 0), nil, "-", 1002, false},
	{"5.1", "an unmasked close", head(0x88, 0), nil, "-", 1002, false},
	{"5.3", "a mask of zeros is a mask", head(0x81, 0x81, 0, 0, 0, 0, 'x'), call("text", "x"), "-", stays, false},
	{"5.3", "each frame has its own mask", frames(head(0x01, 0x81, 1, 2, 3, 4, 'a'^1), head(0x80, 0x81, 9, 8, 7, 6, 'b'^9)), call("text", "ab"), "-", stays, false},

	{"5.2", "RSV1 without an extension", masked(0xC1, "x"), nil, "-", 1002, false},
	{"5.2", "RSV2", masked(0xA1, "x"), nil, "-", 1002, false},
	{"5.2", "RSV3", masked(0x91, "x"), nil, "-", 1002, false},
	{"5.2", "RSV on a control frame", masked(0xB9, ""), nil, "-", 1002, false},
	{"5.2", "RSV on a continuation", frames(begins(ws.OpText, "a"), masked(0xA0, "b")), nil, "-", 1002, false},
	{"5.2", "opcode 3", masked(0x83, ""), nil, "-", 1002, false},
	{"5.2", "opcode 4", masked(0x84, ""), nil, "-", 1002, false},
	{"5.2", "opcode 5", masked(0x85, ""), nil, "-", 1002, false},
	{"5.2", "opcode 6", masked(0x86, ""), nil, "-", 1002, false},
	{"5.2", "opcode 7", masked(0x87, ""), nil, "-", 1002, false},
	{"5.2", "opcode 11", masked(0x8B, ""), nil, "-", 1002, false},
	{"5.2", "opcode 12", masked(0x8C, ""), nil, "-", 1002, false},
	{"5.2", "opcode 13", masked(0x8D, ""), nil, "-", 1002, false},
	{"5.2", "opcode 14", masked(0x8E, ""), nil, "-", 1002, false},
	{"5.2", "opcode 15", masked(0x8F, ""), nil, "-", 1002, false},
	{"5.2", "125 bytes take one byte of length", textFrame(xs(125)), call("text", xs(125)), "-", stays, false},
	{"5.2", "126 bytes take two", textFrame(xs(126)), call("text", xs(126)), "-", stays, false},
	{"5.2", "two bytes for 125", append(head(0x81, 0xFE, 0, 125, 0, 0, 0, 0), xs(125)...), nil, "-", 1002, false},
	{"5.2", "two bytes for nothing", head(0x81, 0xFE, 0, 0, 0, 0, 0, 0), nil, "-", 1002, false},
	{"5.2", "eight bytes for 126", append(head(0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0, 126, 0, 0, 0, 0), xs(126)...), nil, "-", 1002, false},
	{"5.2", "eight bytes for 65535", head(0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0), nil, "-", 1002, false},
	{"5.2", "the highest bit of a length", head(0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0), nil, "-", 1002, false},
	{"5.2", "the longest length", head(0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0), nil, "-", 1009, false},

	{"5.4", "a message in fragments", frames(begins(ws.OpBinary, "a"), continues("b"), ends("c")), call("binary", "abc"), "-", stays, false},
	{"5.4", "empty fragments", frames(begins(ws.OpText, ""), continues(""), ends("")), call("text", ""), "-", stays, false},
	{"5.4", "a continuation of nothing", continues("x"), nil, "-", 1002, false},
	{"5.4", "a last continuation of nothing", ends("x"), nil, "-", 1002, false},
	{"5.4", "a continuation after the last one", frames(begins(ws.OpText, "a"), ends("b"), ends("c")), call("text", "ab"), "-", 1002, false},
	{"5.4", "a continuation after a whole message", frames(textFrame("a"), ends("b")), call("text", "a"), "-", 1002, false},
	{"5.4", "a message inside a message", frames(begins(ws.OpText, "a"), textFrame("b")), nil, "-", 1002, false},
	{"5.4", "a fragment of another inside a message", frames(begins(ws.OpText, "a"), begins(ws.OpBinary, "b")), nil, "-", 1002, false},
	{"5.4", "a ping between fragments gets a pong", frames(begins(ws.OpText, "a"), controlFrame(ws.OpPing, "p"), ends("b")), call("text", "ab"), "p", stays, false},
	{"5.4", "before the message is complete", frames(begins(ws.OpText, "a"), controlFrame(ws.OpPing, "p")), nil, "p", stays, false},
	{"5.4", "a pong between fragments", frames(begins(ws.OpText, "a"), controlFrame(ws.OpPong, "p"), ends("b")), append(call("pong", "p"), call("text", "ab")...), "-", stays, false},
	{"5.4", "a close between fragments", frames(begins(ws.OpText, "a"), closeFrame(1000, "")), nil, "-", 1000, false},

	{"5.5", "a control frame of 125 bytes", controlFrame(ws.OpPing, xs(125)), nil, xs(125), stays, false},
	{"5.5", "a ping of 126 bytes", head(0x89, 0xFE), nil, "-", 1002, false},
	{"5.5", "a pong of 126 bytes", head(0x8A, 0xFE), nil, "-", 1002, false},
	{"5.5", "a close of 126 bytes", head(0x88, 0xFE), nil, "-", 1002, false},
	{"5.5", "a control frame of eight bytes of length", head(0x89, 0xFF), nil, "-", 1002, false},
	{"5.5", "a ping in fragments", masked(ws.OpPing, "x"), nil, "-", 1002, false},
	{"5.5", "a pong in fragments", masked(ws.OpPong, "x"), nil, "-", 1002, false},
	{"5.5", "a close in fragments", masked(ws.OpClose, over(1000, "")), nil, "-", 1002, false},
	{"5.5.1", "the echo has the code of the close frame", closeFrame(4321, "why"), nil, "-", 4321, false},
	{"5.5.1", "a close frame without a code", controlFrame(ws.OpClose, ""), nil, "-", empty, false},
	{"5.5.1", "a close frame of one byte", controlFrame(ws.OpClose, "\x03"), nil, "-", 1002, false},
	{"5.5.1", "a reason is UTF-8", closeFrame(1000, "é"), nil, "-", 1000, false},
	{"5.5.1", "a reason that is not UTF-8", closeFrame(1000, "\xC3("), nil, "-", 1007, false},
	{"5.5.1", "a reason that is cut", closeFrame(1000, "\xC3"), nil, "-", 1007, false},
	{"5.5.1", "a reason of 123 bytes", closeFrame(1000, xs(123)), nil, "-", 1000, false},
	{"5.5.1", "input after a close frame is ignored", frames(closeFrame(1000, ""), textFrame("x"), head(0x81, 0)), nil, "-", 1000, false},
	{"5.5.1", "a ping after it gets no pong", frames(closeFrame(1000, ""), controlFrame(ws.OpPing, "p")), nil, "-", 1000, false},
	{"5.5.2", "an empty ping", controlFrame(ws.OpPing, ""), nil, "", stays, false},
	{"5.5.3", "an unsolicited pong", controlFrame(ws.OpPong, "x"), call("pong", "x"), "-", stays, false},

	{"5.6", "text is UTF-8", textFrame("aé€😀"), call("text", "aé€😀"), "-", stays, false},
	{"5.6", "binary is anything", binaryFrame("\xFF\xC0"), call("binary", "\xFF\xC0"), "-", stays, false},
	{"5.6", "a character across fragments", frames(begins(ws.OpText, "\xF0"), continues("\x9F\x98"), ends("\x80")), call("text", "😀"), "-", stays, false},
	{"8.1", "text that is not UTF-8", textFrame("\xFF"), nil, "-", 1007, false},
	{"8.1", "a surrogate", textFrame("\xED\xA0\x80"), nil, "-", 1007, false},
	{"8.1", "an overlong form", textFrame("\xE0\x80\xAF"), nil, "-", 1007, false},
	{"8.1", "beyond U+10FFFF", textFrame("\xF4\x90\x80\x80"), nil, "-", 1007, false},
	{"8.1", "a lone continuation byte", textFrame("\x80"), nil, "-", 1007, false},
	{"8.1", "a character cut by the end of the message", textFrame("\xE2\x82"), nil, "-", 1007, false},
	{"8.1", "a character cut by the end of the last fragment", frames(begins(ws.OpText, "\xE2"), ends("\x82")), nil, "-", 1007, false},
	{"8.1", "fail fast: the frame is incomplete", textFrame("\xFF" + xs(100))[:10], nil, "-", 1007, false},
	{"8.1", "fail fast: the message is incomplete", begins(ws.OpText, "a\xC0"), nil, "-", 1007, false},
	{"8.1", "fail fast: across fragments", frames(begins(ws.OpText, "\xE2"), continues("\x28")), nil, "-", 1007, false},
	{"8.1", "fail fast: a byte that no third one can make valid", begins(ws.OpText, "\xED\xA0"), nil, "-", 1007, false},

	{"7.4.1", "a message above the size limit", head(0x82, 0xFE, 0x10, 0, 0, 0, 0, 0), nil, "-", 1009, false},
	{"7.4.1", "fragments that are too long together", frames(begins(ws.OpBinary, xs(testMax)), continues("x")[:6]), nil, "-", 1009, false},

	{"7692 6", "a compressed message", squeezed(ws.OpText, "Hello"), call("text", "Hello"), "-", stays, true},
	{"7692 6", "an uncompressed message after it", frames(squeezed(ws.OpText, "a"), textFrame("b")), append(call("text", "a"), call("text", "b")...), "-", stays, true},
	{"7692 6", "only the first fragment is marked", squeezedIn(2, ws.OpText, "Hello"), call("text", "Hello"), "-", stays, true},
	{"7692 6", "RSV1 on a continuation", frames(begins(ws.OpText, "a"), masked(0xC0, "b")), nil, "-", 1002, true},
	{"7692 6", "RSV1 on a ping", masked(0xC9, ""), nil, "-", 1002, true},
	{"7692 6", "RSV1 on a pong", masked(0xCA, ""), nil, "-", 1002, true},
	{"7692 6", "RSV1 on a close", masked(0xC8, ""), nil, "-", 1002, true},
	{"7692 6", "RSV1 and RSV2", masked(0xE1, "\x00"), nil, "-", 1002, true},
	{"7692 7.2.2", "data that is not DEFLATE", masked(0xC1, "hello hello"), nil, "-", 1007, true},
	{"7692 7.2.2", "data that ends in the middle", masked(0xC2, deflatedText(sample(900))[:200]), nil, "-", 1007, true},
	{"7692 7.2.2", "a reference to the previous message", frames(squeezed(ws.OpText, "Hello"), masked(0xC1, "\xf2\x00\x11\x00\x00")), call("text", "Hello"), "-", 1007, true},
	{"7692 7.2.3.2", "a block that is stored", masked(0xC1, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), call("text", "Hello"), "-", stays, true},
	{"7692 7.2.3.4", "a block with BFINAL", masked(0xC1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), call("text", "Hello"), "-", stays, true},
	{"7692 7.2.3.5", "two blocks", masked(0xC1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), call("text", "Hello"), "-", stays, true},
	{"7692 8", "a bomb", squeezed(ws.OpText, strings.Repeat("0", 100_000)), nil, "-", 1009, true},
	{"7692 8", "a bomb in fragments", squeezedIn(10, ws.OpText, strings.Repeat("0", 100_000)), nil, "-", 1009, true},
	{"8.1", "compressed text that is not UTF-8", squeezed(ws.OpText, "a\xFF"), nil, "-", 1007, true},
}

// rfcCloseCodes adds a rule for each edge of the ranges in RFC 6455 §7.4.2 and for each
// code in §7.4.1 and the registry: a code that may be sent is echoed.
func rfcCloseCodes() (rules []rfcRule) {
	add := func(allowed bool, codes ...int) {
		for _, code := range codes {
			r := rfcRule{"7.4", fmt.Sprint("close code ", code), closeFrame(code, ""), nil, "-", code, false}
			if !allowed {
				r.closes = 1002
			}
			rules = append(rules, r)
		}
	}
	add(true, 1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
	add(false, 0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
	return rules
}

// rfcElsewhere names the conformance tests of further rules of RFC 6455.
var rfcElsewhere = map[string]string{
	"PeerClosesWithOutputPending": "5.5.1: the echo may follow pending output",
	"PeerClosesAndSends":          "5.5.1: data after a close frame is ignored",
	"WeCloseInMessage":            "5.5.1: nothing is sent after the own close frame",
	"PeerVanishes":                "7.1.5: a connection without a close frame closes with 1006",
	"PeerVanishesInMessage":       "7.1.5: the same in the middle of a frame",
	"PeerCloses":                  "7.1.1: the server closes TCP first, cleanly",
	"CloseUnanswered":             "7.1.1: but does not wait forever",
	"BothClose":                   "7.1.2: both sides close at once",
	"WeCloseOddCodes":             "7.4.1: 1005, 1006 and 1015 are never sent",
	"ViolationWhileClosing":       "7.1.7: a connection fails once",
	"HalfClosed":                  "7.1.1: the half-closed peer gets the close frame",
	"Ping":                        "5.5.3: a pong has the payload of its ping",
	"PingBurst":                   "5.5.3: each ping has its pong",
	"PingFlood":                   "5.5.3: a pong may reply to the latest ping only",
}

// testRFC checks the rules, one connection each.
func testRFC(e *env) {
	e.shortClose()
	for _, rule := range append(rfcCloseCodes(), rfcRules...) {
		e.obey(&rule)
	}
}

func (e *env) obey(rule *rfcRule) {
	e.Helper()
	name := rule.section + " " + rule.rule
	fail := func(format string, args ...any) {
		e.Helper()
		e.Errorf(name+": "+format, args...)
	}
	var hs Handshake
	if rule.deflate {
		hs.Window = maxWindow
	}
	r, c := e.attachBy(hs)
	c.send(rule.send)
	for _, want := range rule.calls {
		if got := r.next(); got != want {
			fail("the handler got %.60s, want %.60s", got, want)
		}
	}
	if rule.pong != "-" {
		if op, payload := c.frame(); op != ws.OpPong || string(payload) != rule.pong {
			fail("got frame %d %q", op, payload)
		}
	}
	if rule.closes == stays {
		// The connection still reads, and finds the next frame.
		c.send(closeFrame(4999, ""))
		rule.closes = 4999
	}
	op, payload := c.frame()
	switch {
	case op != ws.OpClose:
		fail("got frame %d %.40q instead of a close frame", op, payload)
	case rule.closes == empty && len(payload) != 0, rule.closes != empty && (len(payload) < 2 || string(payload[:2]) != over(rule.closes, "")):
		fail("closed with %q, want %d", payload, rule.closes)
	}
	c.Close()
	for {
		if end := r.next(); strings.HasPrefix(end, "closed") {
			break
		} else {
			fail("the handler got %s as well", end)
		}
	}
}

// TestRFCElsewhere: the tests named in rfcElsewhere exist.
func TestRFCElsewhere(t *testing.T) {
	t.Parallel()
	there := make(map[string]bool)
	for _, c := range conformance {
		there[c.name] = true
	}
	for name, rule := range rfcElsewhere {
		if !there[name] {
			t.Errorf("test %s does not exist: %s", name, rule)
		}
	}
}
