package conn

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var deflating = rules{maxMessage: testMax, deflate: true}

// squeezed is a compressed message in one frame.
func squeezed(op byte, payload string) []byte { return masked(finBit|rsv1|op, deflatedText(payload)) }

// squeezedIn is the same in as many frames as it takes with n bytes each.
func squeezedIn(n int, op byte, payload string) (all []byte) {
	parts := pieces([]byte(deflatedText(payload)), n)
	for i, part := range parts {
		first := byte(opContinuation)
		if i == 0 {
			first = op | rsv1
		}
		if i == len(parts)-1 {
			first |= finBit
		}
		all = append(all, masked(first, string(part))...)
	}
	return all
}

var deflateCases = []struct {
	name  string
	input []byte
	want  []string
}{
	{"text", squeezed(OpText, "Hello"), []string{`1 "Hello"`}},
	{"binary", squeezed(OpBinary, "\xFF\xFE"), []string{`2 "\xff\xfe"`}},
	{"empty", squeezed(OpText, ""), []string{`1 ""`}},
	{"empty frame", masked(finBit|rsv1|OpText, ""), []string{`1 ""`}},
	{"beside one that is not", frames(squeezed(OpText, "a"), textFrame("b"), squeezed(OpBinary, "c")), []string{`1 "a"`, `1 "b"`, `2 "c"`}},
	{"fragments (§7.2.3.1)", frames(masked(rsv1|OpText, "\xf2\x48\xcd"), ends("\xc9\xc9\x07\x00")), []string{`1 "Hello"`}},
	{"fragment a byte", squeezedIn(1, OpText, "Hällo €"), []string{`1 "Hällo €"`}},
	{"empty fragments", frames(masked(rsv1|OpText, ""), continues(""), ends("\x00")), []string{`1 ""`}},
	{
		"control between fragments",
		frames(masked(rsv1|OpText, "\xf2\x48\xcd"), controlFrame(OpPing, "p"), ends("\xc9\xc9\x07\x00"), textFrame("b")),
		[]string{`9 "p"`, `1 "Hello"`, `1 "b"`},
	},
	{"just fits", squeezed(OpText, strings.Repeat("x", testMax)), []string{fmt.Sprintf("1 %q", strings.Repeat("x", testMax))}},
	{"noise that just fits", squeezed(OpBinary, noise(testMax)), []string{fmt.Sprintf("2 %q", noise(testMax))}},
	{"a fragment that is not marked", frames(textFrame("a"), begins(OpText, "a"), ends("\x07")), []string{`1 "a"`, "1 \"a\\a\""}},

	{"on a continuation", frames(begins(OpText, "a"), masked(finBit|rsv1|opContinuation, "b")), []string{"1002"}},
	{"on a compressed one's continuation", frames(masked(rsv1|OpText, "\xf2\x48\xcd"), masked(finBit|rsv1|opContinuation, "\xc9")), []string{"1002"}},
	{"on a ping", masked(finBit|rsv1|OpPing, "x"), []string{"1002"}},
	{"on a close", masked(finBit|rsv1|OpClose, ""), []string{"1002"}},
	{"on an unknown opcode", masked(finBit|rsv1|3, ""), []string{"1002"}},
	{"with rsv2", masked(finBit|rsv1|0x20|OpText, "\x00"), []string{"1002"}},
	{"rsv3 alone", masked(finBit|0x10|OpText, "x"), []string{"1002"}},
	{"unmasked", []byte{finBit | rsv1 | OpText, 1, 0}, []string{"1002"}},
	{"garbage", masked(finBit|rsv1|OpText, "hello hello hello"), []string{"1007"}},
	{"garbage in fragments", frames(masked(rsv1|OpBinary, "hello "), ends("hello")), []string{"1007"}},
	{"cut", masked(finBit|rsv1|OpBinary, deflatedText(sample(900))[:200]), []string{"1007"}},
	{"not UTF-8", squeezed(OpText, "a\xFFb"), []string{"1007"}},
	{"not UTF-8 in fragments", squeezedIn(2, OpText, "a\xE2\x82"), []string{"1007"}},
	{"bomb", squeezed(OpText, strings.Repeat("0", 100_000)), []string{"1009"}},
	{"one too many", squeezed(OpBinary, strings.Repeat("x", testMax+1)), []string{"1009"}},
	{"bomb in fragments", squeezedIn(10, OpText, strings.Repeat("0", 100_000)), []string{"1009"}},
	{"too long by its header", masked(finBit|rsv1|OpText, strings.Repeat("x", maxDeflated(testMax)+1))[:8], []string{"1009"}},
	{"too long together", frames(masked(rsv1|OpText, strings.Repeat("x", testMax)), ends(strings.Repeat("x", testMax))[:8]), []string{"1009"}},
}

func TestParseDeflated(t *testing.T) {
	t.Parallel()
	for _, c := range deflateCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			check := func(how string, got []string) {
				t.Helper()
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("%s: %s", how, diff)
				}
			}
			check("whole", parsedBy(deflating, c.input))
			check("byte by byte", parsedBy(deflating, pieces(c.input, 1)...))
			for i := range c.input {
				check(fmt.Sprintf("cut at %d", i), parsedBy(deflating, c.input[:i], c.input[i:]))
			}
			check("reference", referenceBy(deflating, c.input))
		})
	}
}

// TestParseNotDeflated: a peer that did not agree on it must not compress.
func TestParseNotDeflated(t *testing.T) {
	t.Parallel()
	for _, input := range [][]byte{squeezed(OpText, "Hello"), squeezedIn(2, OpBinary, "Hello")} {
		if diff := cmp.Diff([]string{"1002"}, parsed(testMax, input)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestParseAgreed: to one that did, everything else is as it was, apart from the
// bit.
func TestParseAgreed(t *testing.T) {
	t.Parallel()
	for _, c := range parseCases {
		want := c.want
		if c.name == "rsv1" {
			want = []string{`1 ""`} // an x is the head of a stored block, with its padding
		}
		if diff := cmp.Diff(want, parsedBy(deflating, c.input)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestParseDeflatedIdle: between messages a parser holds nothing, and within one
// only what came.
func TestParseDeflatedIdle(t *testing.T) {
	t.Parallel()
	input := squeezedIn(3, OpText, strings.Repeat("x", testMax))
	var p parser
	for i, b := range input {
		ev, _, err := p.next([]byte{b}, deflating)
		if err != nil || (ev.op == OpText) != (i == len(input)-1) {
			t.Fatal(i, ev, err)
		}
		if ev.op != OpText && cap(p.part.msg) > keepMessage {
			t.Fatalf("%d bytes held", cap(p.part.msg))
		}
	}
	if ev, _, _ := p.next(nil, deflating); ev.op != opContinuation || p.part != nil {
		t.Errorf("still holds %+v", p.part)
	}
}

// FuzzParseDeflated is FuzzParse where compression was agreed on.
func FuzzParseDeflated(f *testing.F) {
	for _, c := range parseCases {
		f.Add(c.input, uint8(1))
	}
	for _, c := range deflateCases {
		f.Add(c.input, uint8(3))
	}
	f.Fuzz(func(t *testing.T, input []byte, size uint8) {
		if len(input) > 1<<12 {
			return
		}
		want := referenceBy(deflating, input)
		for _, got := range [][]string{
			parsedBy(deflating, input),
			parsedBy(deflating, pieces(input, max(1, int(size)))...),
			parsedBy(deflating, input[:len(input)/2], input[len(input)/2:]),
		} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%x by %d: %s", input, size, diff)
			}
		}
	})
}

// TestParseDeflatedRandom mixes messages of both kinds that mostly obey.
func TestParseDeflatedRandom(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var input []byte
		for range 1 + rnd.IntN(5) {
			switch rnd.IntN(3) {
			case 0:
				input = append(input, randomFrame(rnd)...)
			case 1:
				input = append(input, squeezedIn(1+rnd.IntN(40), OpText, sample(rnd.IntN(1200)))...)
			case 2:
				input = append(input, squeezed(OpBinary, noise(rnd.IntN(300)))...)
			}
		}
		if rnd.IntN(4) == 0 {
			input[rnd.IntN(len(input))] ^= 1 << rnd.IntN(8)
		}
		want := referenceBy(deflating, input)
		size := 1 + rnd.IntN(40)
		for _, got := range [][]string{parsedBy(deflating, input), parsedBy(deflating, pieces(input, size)...)} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%x by %d: %s", input, size, diff)
			}
		}
	}
}
