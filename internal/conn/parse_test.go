package conn

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parsed feeds chunks to a parser and returns what came out as lines of text, in
// the form of reference. The chunks are copied first, since parsing changes them.
func parsed(maxMessage int, chunks ...[]byte) []string {
	return parsedBy(rules{maxMessage: maxMessage}, chunks...)
}

func parsedBy(r rules, chunks ...[]byte) (lines []string) {
	var p parser
	defer p.release()
	for _, chunk := range chunks {
		b := slices.Clone(chunk)
		for {
			ev, rest, err := p.next(b, r)
			if err != nil {
				return append(lines, fmt.Sprint(err.Code))
			}
			if ev.op == opContinuation {
				break
			}
			b = rest
			if ev.op == OpClose {
				lines = append(lines, fmt.Sprintf("%d %d %q", ev.op, ev.code, ev.payload))
			} else {
				lines = append(lines, fmt.Sprintf("%d %q", ev.op, ev.payload))
			}
		}
	}
	return lines
}

// singles cuts b into slices of n bytes.
func pieces(b []byte, n int) [][]byte { return slices.Collect(slices.Chunk(b, n)) }

func frames(f ...[]byte) []byte { return bytes.Join(f, nil) }

// begins and continues are the parts of a fragmented message.
func begins(op byte, payload string) []byte { return masked(op, payload) }
func continues(payload string) []byte       { return masked(opContinuation, payload) }
func ends(payload string) []byte            { return masked(finBit|opContinuation, payload) }

const testMax = 1000

var parseCases = []struct {
	name  string
	input []byte
	want  []string
}{
	{"nothing", nil, nil},
	{"empty text", textFrame(""), []string{`1 ""`}},
	{"two", frames(textFrame("a"), binaryFrame("\xFF")), []string{`1 "a"`, `2 "\xff"`}},
	{"extended length", textFrame(strings.Repeat("x", 126)), []string{`1 "` + strings.Repeat("x", 126) + `"`}},
	{"control", frames(controlFrame(OpPing, "p"), controlFrame(OpPong, "")), []string{`9 "p"`, `10 ""`}},
	{"fragments", frames(begins(OpText, "ab"), continues(""), ends("c")), []string{`1 "abc"`}},
	{
		"control between fragments",
		frames(begins(OpBinary, "ab"), controlFrame(OpPing, "p"), continues("c"), controlFrame(OpPong, "q"), ends("d"), textFrame("e")),
		[]string{`9 "p"`, `10 "q"`, `2 "abcd"`, `1 "e"`},
	},
	{"character across fragments", frames(begins(OpText, "\xF0\x9F"), continues("\x98"), ends("\x80")), []string{`1 "😀"`}},
	{"close", closeFrame(1000, "é"), []string{`8 1000 "é"`}},
	{"close without code", controlFrame(OpClose, ""), []string{`8 1005 ""`}},
	{"just fits", frames(begins(OpText, strings.Repeat("x", 999)), ends("x")), []string{`1 "` + strings.Repeat("x", 1000) + `"`}},

	{"unmasked", []byte{finBit | OpText, 1, 'x'}, []string{"1002"}},
	{"unmasked ping", []byte{finBit | OpPing, 0}, []string{"1002"}},
	{"rsv1", masked(finBit|0x40|OpText, "x"), []string{"1002"}},
	{"rsv2", masked(finBit|0x20|OpText, "x"), []string{"1002"}},
	{"rsv3 on control", masked(finBit|0x10|OpPing, "x"), []string{"1002"}},
	{"opcode 3", masked(finBit|3, "x"), []string{"1002"}},
	{"opcode 7", masked(finBit|7, "x"), []string{"1002"}},
	{"opcode 11", masked(finBit|11, "x"), []string{"1002"}},
	{"opcode 15", masked(finBit|15, "x"), []string{"1002"}},
	{"long ping", controlHead(126), []string{"1002"}},
	{"longer ping", controlHead(127), []string{"1002"}},
	{"fragmented ping", masked(OpPing, "x"), []string{"1002"}},
	{"continuation of nothing", ends("x"), []string{"1002"}},
	{"continuation after a message", frames(begins(OpText, "a"), ends("b"), continues("c")), []string{`1 "ab"`, "1002"}},
	{"message inside a message", frames(begins(OpText, "a"), textFrame("b")), []string{"1002"}},
	{"length of two for one", []byte{finBit | OpText, maskBit | 126, 0, 125}, []string{"1002"}},
	{"length of eight for two", []byte{finBit | OpText, maskBit | 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, []string{"1002"}},
	{"negative length", []byte{finBit | OpText, maskBit | 127, 0x80, 0, 0, 0, 0, 1, 0, 0}, []string{"1002"}},
	{"too big by its header", []byte{finBit | OpText, maskBit | 126, 1001 >> 8, 1001 & 0xFF, 1, 2, 3, 4}, []string{"1009"}},
	{"huge by its header", []byte{finBit | OpBinary, maskBit | 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4}, []string{"1009"}},
	{"too big together", frames(begins(OpText, strings.Repeat("x", 999)), continues(""), masked(finBit, "xx")[:6]), []string{"1009"}},
	{"close of one byte", controlFrame(OpClose, "\x03"), []string{"1002"}},
	{"close reason", closeFrame(1000, "\xFF"), []string{"1007"}},
	{"not UTF-8", textFrame("a\xFFb"), []string{"1007"}},
	{"surrogate", textFrame("\xED\xA0\x80"), []string{"1007"}},
	{"overlong", textFrame("\xC0\xAF"), []string{"1007"}},
	{"beyond Unicode", textFrame("\xF4\x90\x80\x80"), []string{"1007"}},
	{"cut character", textFrame("a\xE2\x82"), []string{"1007"}},
	{"cut in the last fragment", frames(begins(OpText, "a"), ends("\xE2")), []string{"1007"}},
	{"bad character across fragments", frames(begins(OpText, "\xE2"), continues("\x28")), []string{"1007"}},
	{"bad before the end of the frame", textFrame("a\xFFxxxxxxxxxx")[:9], []string{"1007"}},
	{"bad text before a good ping", frames(begins(OpText, "\xFF"), controlFrame(OpPing, "")), []string{"1007"}},
}

func controlHead(length byte) []byte { return []byte{finBit | OpPing, maskBit | length} }

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range parseCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			check := func(how string, chunks ...[]byte) {
				t.Helper()
				if diff := cmp.Diff(c.want, parsed(testMax, chunks...)); diff != "" {
					t.Errorf("%s: %s", how, diff)
				}
			}
			check("whole", c.input)
			check("byte by byte", pieces(c.input, 1)...)
			for i := range c.input {
				check(fmt.Sprintf("cut at %d", i), c.input[:i], c.input[i:])
			}
			if diff := cmp.Diff(c.want, reference(c.input, testMax)); diff != "" {
				t.Errorf("the reference differs: %s", diff)
			}
		})
	}
}

// TestCloseCodes goes through all codes there can be.
func TestCloseCodes(t *testing.T) {
	t.Parallel()
	for code := range 1 << 16 {
		got := parsed(testMax, closeFrame(code, ""))
		want := "1002"
		if code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999 {
			want = fmt.Sprintf(`8 %d ""`, code)
		}
		if len(got) != 1 || got[0] != want {
			t.Fatalf("%d: got %v, want %s", code, got, want)
		}
	}
}

// TestParseMemory: a header that declares much takes nothing, and what is kept is
// in proportion to what came.
func TestParseMemory(t *testing.T) {
	t.Parallel()
	const declared = 1 << 30
	var p parser
	defer p.release()
	head := []byte{finBit | OpBinary, maskBit | 127, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4}
	if _, _, err := p.next(head, rules{maxMessage: declared}); err != nil {
		t.Fatal(err)
	}
	if got := cap(p.part.msg); got > keepMessage {
		t.Errorf("%d bytes for a header", got)
	}
	came := 0
	for came < 1<<20 {
		chunk := make([]byte, 1000)
		if _, _, err := p.next(chunk, rules{maxMessage: declared}); err != nil {
			t.Fatal(err)
		}
		came += len(chunk)
		if got := cap(p.part.msg); got > max(2*came, keepMessage) {
			t.Fatalf("%d bytes for %d that came", got, came)
		}
	}
}

// TestParseIdle: between messages a parser holds nothing.
func TestParseIdle(t *testing.T) {
	t.Parallel()
	input := frames(begins(OpText, "a"), controlFrame(OpPing, "p"), ends("b"))
	var p parser
	for _, chunk := range pieces(input, 1) {
		for {
			ev, rest, err := p.next(chunk, rules{maxMessage: testMax})
			if err != nil {
				t.Fatal(err)
			}
			if ev.op == opContinuation {
				break
			}
			chunk = rest
		}
	}
	if p.part != nil {
		t.Errorf("still holds %+v", p.part)
	}
}

func TestParseAllocs(t *testing.T) {
	frame := textFrame(`{"type":"ack","channel":"user:42","seq":1042}`)
	b := make([]byte, len(frame))
	var p parser
	if n := testing.AllocsPerRun(100, func() {
		copy(b, frame)
		if ev, _, err := p.next(b, rules{maxMessage: testMax}); err != nil || ev.op != OpText {
			t.Fatal(ev, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParse compares the parser with the reference, fed whole and in two or many
// pieces.
func FuzzParse(f *testing.F) {
	for _, c := range parseCases {
		f.Add(c.input, uint8(1))
	}
	f.Fuzz(func(t *testing.T, input []byte, size uint8) {
		if len(input) > 1<<12 {
			return
		}
		want := reference(input, testMax)
		check := func(chunks ...[]byte) {
			if diff := cmp.Diff(want, parsed(testMax, chunks...)); diff != "" {
				t.Fatalf("%x in %d pieces: %s", input, len(chunks), diff)
			}
		}
		check(input)
		check(pieces(input, max(1, int(size)))...)
		for i := range min(len(input), 300) {
			check(input[:i], input[i:])
		}
	})
}

// TestParseRandom makes frames that mostly obey, which fuzzing finds slowly.
func TestParseRandom(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var input []byte
		for range 1 + rnd.IntN(6) {
			input = append(input, randomFrame(rnd)...)
		}
		want := reference(input, testMax)
		size := 1 + rnd.IntN(40)
		for _, got := range [][]string{parsed(testMax, input), parsed(testMax, pieces(input, size)...)} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%x by %d: %s", input, size, diff)
			}
		}
	}
}

func randomFrame(rnd *rand.Rand) []byte {
	alphabet := []string{"a", "é", "€", "😀", "\xE2\x82", "\xAC", "\xF0\x9F", "\x98\x80"}
	var payload strings.Builder
	for range rnd.IntN(60) {
		payload.WriteString(alphabet[rnd.IntN(4+rnd.IntN(2)*4)])
	}
	first := []byte{finBit | OpText, OpText, finBit, 0, finBit | OpBinary, OpBinary, finBit | OpPing, finBit | OpPong}[rnd.IntN(8)]
	s := payload.String()
	if isControl(first & 0xF) {
		s = s[:min(len(s), maxControl)]
	}
	return masked(first, s)
}
