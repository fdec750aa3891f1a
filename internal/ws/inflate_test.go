package ws

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Input that costs work and has no content.
const (
	emptyFinal   = "\x03\x00"             // a whole DEFLATE stream
	emptyFixed   = "\x02\x08\x20\x80\x00" // four blocks
	emptyDynamic = "\x04\xc0\x81\x00\x00\x00\x00\x00\x90\xff\x6b\x10\x00\x07\x02\x00\x00\x00\x00\x40\xfe\xaf\x41" +
		"\x00\x1c\x08\x00\x00\x00\x00\x00\xf9\xbf\x06\x01\x70\x20\x00\x00\x00\x00\x00\xe4\xff\x1a" // four blocks with code tables
)

var inflateCases = []struct {
	name    string
	message string
	want    string
	code    int
}{
	// RFC 7692 §7.2.3.
	{"one block", "\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello", 0},
	{"no compression", "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello", 0},
	{"last block", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello", 0},
	{"two blocks", "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello", 0},
	{"empty (§7.2.3.6)", "\x00", "", 0},

	{"no bytes", "", "", 0},
	{"two streams", finalText("Hello, ") + finalText("world") + "\x00", "Hello, world", 0},
	{"a stream after a final block", finalText("Hello, ") + deflatedText("world"), "Hello, world", 0},
	{"just fits", deflatedText(strings.Repeat("x", testMax)), strings.Repeat("x", testMax), 0},
	{"just fits in two streams", finalText(strings.Repeat("x", testMax/2)) + deflatedText(strings.Repeat("x", testMax/2)), strings.Repeat("x", testMax), 0},
	{"noise that fits", deflatedText(noise(testMax)), noise(testMax), 0},

	{"one too many", bomb(testMax + 1), "", 1009},
	{"too many in two streams", finalText(strings.Repeat("x", testMax)) + deflatedText("x"), "", 1009},
	{"bomb", bomb(1 << 20), "", 1009},
	{"bad block type", "\x07", "", 1007},
	{"nothing in many blocks", strings.Repeat(emptyFixed+emptyDynamic+emptyFinal, 20) + "\x00", "", 0},
	{"cut", deflatedText(sample(900))[:200], "", 1007},
	{"cut after the header", "\xf2", "", 1007},
	{"final block without the rest", "\xf3\x48\xcd\xc9\xc9\x07\x00", "", 1007},
	{"a distance too far back", "\x02\x06\x00\x00", "", 1007},
	{"a reference into the stream before", finalText("Hello") + "\x02\x22\x00", "", 1007},
	{"text", "hello hello hello", "", 1007},
}

func TestInflate(t *testing.T) {
	t.Parallel()
	for _, c := range inflateCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := inflate(nil, []byte(c.message), testMax)
			if code := codeOf(err); code != c.code || code == 0 && string(got) != c.want {
				t.Errorf("got %q and %d, want %q and %d", got, code, c.want, c.code)
			}
			if ref, code := referenceInflate([]byte(c.message), testMax); code != c.code || string(ref) != c.want {
				t.Errorf("the reference differs: %q and %d", ref, code)
			}
		})
	}
}

func codeOf(err *ProtocolError) int {
	if err == nil {
		return 0
	}
	return err.Code
}

// TestInflateMemory: a bomb takes no more memory than a message of the maximum size.
func TestInflateMemory(t *testing.T) {
	t.Parallel()
	message := []byte(bomb(4 << 20))
	for _, limit := range []int{1, 100, testMax, 100_000} {
		got, err := inflate(nil, message, limit)
		if codeOf(err) != 1009 || len(got) != limit+1 || cap(got) > 2*limit+1024 {
			t.Errorf("limit %d: %d bytes of %d, %v", limit, len(got), cap(got), err)
		}
	}
}

// TestInflateAgain: an inflater keeps nothing of a previous message, whether that was
// valid or not.
func TestInflateAgain(t *testing.T) {
	t.Parallel()
	want := sample(900)
	for _, before := range inflateCases {
		inflate(nil, []byte(before.message), testMax)
		if got, err := inflate(nil, []byte(deflatedText(want)), testMax); err != nil || string(got) != want {
			t.Fatalf("after %s: %q, %v", before.name, got, err)
		}
	}
}

// TestInflateForgets: the codes of a previous message are not used to decode a corrupt
// one.
func TestInflateForgets(t *testing.T) {
	t.Parallel()
	corrupt, err := os.ReadFile("testdata/stale-codes.deflate")
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := inflate(nil, []byte(deflatedText(sample(3000))), 5000); err != nil {
			t.Fatal(err)
		}
		if got, err := inflate(nil, corrupt, 5000); codeOf(err) != 1007 {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

// FuzzInflate compares the inflater with another implementation.
func FuzzInflate(f *testing.F) {
	for _, c := range inflateCases {
		f.Add([]byte(c.message), uint16(testMax))
	}
	f.Add([]byte(deflatedText(sample(3000))), uint16(5000))
	f.Add([]byte(strings.Repeat(emptyFinal, 100)), uint16(10))
	f.Fuzz(func(t *testing.T, message []byte, limit uint16) {
		want, code := referenceInflate(message, int(limit))
		got, err := inflate(nil, message, int(limit))
		if err != nil && code != 0 {
			return // a message both too big and corrupt may be refused as either
		}
		if codeOf(err) != code || string(got) != string(want) {
			t.Fatalf("%x within %d: got %q and %v, want %q and %d", message, limit, got, err, want, code)
		}
		if len(got) > int(limit)+1 {
			t.Fatalf("%d bytes, the limit is %d", len(got), limit)
		}
	})
}

func BenchmarkDeflateFrame(b *testing.B) {
	for _, size := range []int{128, 256, 1 << 10, 16 << 10, 64 << 10} {
		frame := serverText(sample(size))
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			small := frame
			for b.Loop() {
				small = DeflateFrame(frame, 0)
			}
			b.ReportMetric(100*float64(len(small))/float64(len(frame)), "%")
		})
	}
}

func BenchmarkInflate(b *testing.B) {
	for _, size := range []int{128, 1 << 10, 16 << 10, 64 << 10} {
		benchmarkInflate(b, fmt.Sprint(size), deflatedText(sample(size)), size)
	}
	// The input of 64 KiB that costs the most work.
	benchmarkInflate(b, "bomb", bomb(16<<20), 64<<10)
	benchmarkInflate(b, "streams", strings.Repeat(emptyFinal, 32<<10), 64<<10)
	benchmarkInflate(b, "blocks", strings.Repeat(emptyFixed, (64<<10)/len(emptyFixed)), 64<<10)
	benchmarkInflate(b, "tables", strings.Repeat(emptyDynamic, (64<<10)/len(emptyDynamic)), 64<<10)
}

func benchmarkInflate(b *testing.B, name, message string, limit int) {
	in := []byte(message)
	dst := make([]byte, 0, limit+1)
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			inflate(dst, in, limit)
		}
	})
}
