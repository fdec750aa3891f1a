package ws

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gobwas "github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
)

// parsed feeds chunks to a parser and returns its results as lines of text, in the form
// of reference. The chunks are copied first, since parsing modifies them.
func parsed(maxMessage int, chunks ...[]byte) []string {
	return parsedBy(Rules{MaxMessage: maxMessage}, chunks...)
}

func parsedBy(r Rules, chunks ...[]byte) (lines []string) {
	var p Parser
	defer p.Release()
	for _, chunk := range chunks {
		b := slices.Clone(chunk)
		for {
			f, rest, err := p.Next(b, r)
			if err != nil {
				return append(lines, fmt.Sprint(err.Code))
			}
			if f.Op == opContinuation {
				break
			}
			b = rest
			if f.Op == OpClose {
				lines = append(lines, fmt.Sprintf("%d %d %q", f.Op, f.Code, f.Payload))
			} else {
				lines = append(lines, fmt.Sprintf("%d %q", f.Op, f.Payload))
			}
		}
	}
	return lines
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range parseCases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			check := func(how string, chunks ...[]byte) {
				t.Helper()
				if diff := cmp.Diff(c.Want, parsed(testMax, chunks...)); diff != "" {
					t.Errorf("%s: %s", how, diff)
				}
			}
			check("whole", c.Input)
			check("byte by byte", pieces(c.Input, 1)...)
			for i := range c.Input {
				check(fmt.Sprintf("cut at %d", i), c.Input[:i], c.Input[i:])
			}
			if diff := cmp.Diff(c.Want, reference(c.Input, testMax)); diff != "" {
				t.Errorf("the reference differs: %s", diff)
			}
		})
	}
}

// TestCloseCodes tests all possible codes.
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

// TestParseMemory: a header with a large length allocates nothing, and the memory held
// is in proportion to the input received.
func TestParseMemory(t *testing.T) {
	t.Parallel()
	const declared = 1 << 30
	var p Parser
	defer p.Release()
	head := []byte{finBit | OpBinary, maskBit | 127, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4}
	if _, _, err := p.Next(head, Rules{MaxMessage: declared}); err != nil {
		t.Fatal(err)
	}
	if got := cap(p.part.msg); got > keepMessage {
		t.Errorf("%d bytes for a header", got)
	}
	came := 0
	for came < 1<<20 {
		chunk := make([]byte, 1000)
		if _, _, err := p.Next(chunk, Rules{MaxMessage: declared}); err != nil {
			t.Fatal(err)
		}
		came += len(chunk)
		if got := cap(p.part.msg); got > max(2*came, keepMessage) {
			t.Fatalf("%d bytes for %d received", got, came)
		}
	}
}

// TestParseIdle: a parser holds nothing between messages.
func TestParseIdle(t *testing.T) {
	t.Parallel()
	input := frames(begins(OpText, "a"), controlFrame(OpPing, "p"), ends("b"))
	var p Parser
	for _, chunk := range pieces(input, 1) {
		for {
			f, rest, err := p.Next(chunk, Rules{MaxMessage: testMax})
			if err != nil {
				t.Fatal(err)
			}
			if f.Op == opContinuation {
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
	var p Parser
	if n := testing.AllocsPerRun(100, func() {
		copy(b, frame)
		if f, _, err := p.Next(b, Rules{MaxMessage: testMax}); err != nil || f.Op != OpText {
			t.Fatal(f, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParse compares the parser with the reference, for whole input and input in two or
// many pieces.
func FuzzParse(f *testing.F) {
	for _, c := range parseCases {
		f.Add(c.Input, uint8(1))
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

// FuzzParseServer does the same for the frames of servers.
func FuzzParseServer(f *testing.F) {
	for _, c := range parseCases {
		f.Add(c.Input, uint8(1))
		f.Add(asServer(c.Input), uint8(2))
	}
	f.Add([]byte("\x81\x7F\xFF\x00\x00\x00\x00\x00\x00\x00"), uint8(3))
	f.Fuzz(func(t *testing.T, input []byte, size uint8) {
		if len(input) > 1<<12 {
			return
		}
		checkServer(t, input, max(1, int(size)))
	})
}

var fromServer = Rules{MaxMessage: testMax, Unmasked: true}

func checkServer(t *testing.T, input []byte, size int) {
	t.Helper()
	want := referenceBy(fromServer, input)
	half := len(input) / 2
	for _, got := range [][]string{
		parsedBy(fromServer, input), parsedBy(fromServer, pieces(input, size)...), parsedBy(fromServer, input[:half], input[half:]),
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%x by %d: %s", input, size, diff)
		}
	}
}

// asServer removes the masks of whole frames, and leaves other input unchanged.
func asServer(input []byte) (out []byte) {
	in := bytes.NewReader(input)
	for {
		rest := input[len(input)-in.Len():]
		h, err := gobwas.ReadHeader(in)
		if err != nil || !h.Masked || h.Length > int64(in.Len()) {
			return append(out, rest...)
		}
		payload := make([]byte, h.Length)
		in.Read(payload) //nolint:errcheck // the frame is whole
		f := gobwas.UnmaskFrameInPlace(gobwas.Frame{Header: h, Payload: payload})
		out = append(out, gobwas.MustCompileFrame(f)...)
	}
}

// TestParseServer: without their masks, the frames of a client are those of a server.
func TestParseServer(t *testing.T) {
	t.Parallel()
	for _, c := range parseCases {
		for _, size := range []int{1, 2, 7, 100} {
			checkServer(t, c.Input, size)
			checkServer(t, asServer(c.Input), size)
		}
	}
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 1000 {
		var input []byte
		for range 1 + rnd.IntN(6) {
			input = append(input, asServer(randomFrame(rnd))...)
		}
		checkServer(t, input, 1+rnd.IntN(40))
	}
}

// TestParseRandom makes mostly valid frames, which fuzzing finds slowly.
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
