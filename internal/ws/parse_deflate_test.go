package ws

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var deflating = Rules{MaxMessage: testMax, Deflate: true}

func TestParseDeflated(t *testing.T) {
	t.Parallel()
	for _, c := range deflateCases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			check := func(how string, got []string) {
				t.Helper()
				if diff := cmp.Diff(c.Want, got); diff != "" {
					t.Errorf("%s: %s", how, diff)
				}
			}
			check("whole", parsedBy(deflating, c.Input))
			check("byte by byte", parsedBy(deflating, pieces(c.Input, 1)...))
			for i := range c.Input {
				check(fmt.Sprintf("cut at %d", i), parsedBy(deflating, c.Input[:i], c.Input[i:]))
			}
			check("reference", referenceBy(deflating, c.Input))
		})
	}
}

// TestParseNotDeflated: a peer that did not negotiate compression must not compress.
func TestParseNotDeflated(t *testing.T) {
	t.Parallel()
	for _, input := range [][]byte{squeezed(OpText, "Hello"), squeezedIn(2, OpBinary, "Hello")} {
		if diff := cmp.Diff([]string{"1002"}, parsed(testMax, input)); diff != "" {
			t.Error(diff)
		}
	}
}

// TestParseAgreed: if compression was negotiated, all other input is parsed as before,
// except for the bit.
func TestParseAgreed(t *testing.T) {
	t.Parallel()
	for _, c := range parseCases {
		want := c.Want
		if c.Name == "rsv1" {
			want = []string{`1 ""`} // an x is the header of a stored block, with its padding
		}
		if diff := cmp.Diff(want, parsedBy(deflating, c.Input)); diff != "" {
			t.Errorf("%s: %s", c.Name, diff)
		}
	}
}

// TestParseDeflatedIdle: a parser holds nothing between messages, and within a message
// only the input received.
func TestParseDeflatedIdle(t *testing.T) {
	t.Parallel()
	input := squeezedIn(3, OpText, strings.Repeat("x", testMax))
	var p Parser
	for i, b := range input {
		f, _, err := p.Next([]byte{b}, deflating)
		if err != nil || (f.Op == OpText) != (i == len(input)-1) {
			t.Fatal(i, f, err)
		}
		if f.Op != OpText && cap(p.part.msg) > keepMessage {
			t.Fatalf("%d bytes held", cap(p.part.msg))
		}
	}
	if f, _, _ := p.Next(nil, deflating); f.Op != opContinuation || p.part != nil {
		t.Errorf("still holds %+v", p.part)
	}
}

// FuzzParseDeflated is FuzzParse with compression negotiated.
func FuzzParseDeflated(f *testing.F) {
	for _, c := range parseCases {
		f.Add(c.Input, uint8(1))
	}
	for _, c := range deflateCases {
		f.Add(c.Input, uint8(3))
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

// TestParseDeflatedRandom mixes mostly valid messages of both kinds.
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
