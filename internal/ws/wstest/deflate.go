package wstest

import (
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
)

// tail is omitted by the sender at the end of a compressed message (RFC 7692 §7.2.1).
const tail = "\x00\x00\xff\xff"

// rsv1 marks a compressed message.
const rsv1 = 0x40

// Deflated compresses a message like a client, with an implementation other than the
// one under test.
func Deflated(s string) string {
	return strings.TrimSuffix(compressed(s, (*flate.Writer).Flush), tail)
}

// Final does the same, as a DEFLATE stream with a final block (RFC 7692 §7.2.3.4).
func Final(s string) string { return compressed(s, (*flate.Writer).Close) }

func compressed(s string, finish func(*flate.Writer) error) string {
	w := compressors.Get().(*flate.Writer)
	defer compressors.Put(w)
	var b strings.Builder
	w.Reset(&b)
	io.WriteString(w, s)
	finish(w)
	return b.String()
}

var compressors = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestCompression)
	if err != nil {
		panic(err)
	}
	return w
}}

// Squeezed is a compressed message in one frame.
func Squeezed(op byte, payload string) []byte { return Masked(fin|rsv1|op, Deflated(payload)) }

// SqueezedIn is the same, in frames of n bytes each.
func SqueezedIn(n int, op byte, payload string) (all []byte) {
	parts := Pieces([]byte(Deflated(payload)), n)
	for i, part := range parts {
		first := byte(0) // a continuation
		if i == 0 {
			first = op | rsv1
		}
		if i == len(parts)-1 {
			first |= fin
		}
		all = append(all, Masked(first, string(part))...)
	}
	return all
}

// Bomb is a compressed message of n zeros.
func Bomb(n int) string { return Deflated(strings.Repeat("0", n)) }

// JSON is n bytes of JSON as applications send it.
func JSON(n int) string {
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	states := []string{"paid", "shipped", "new", "cancelled"}
	var b strings.Builder
	b.WriteString(`{"type":"message","channel":"user:42","seq":2,"prev":1,"id":"zs4t95casa32yt9h","time":1795176687464,"data":[`)
	for b.Len() < n {
		fmt.Fprintf(&b, `{"order":%d,"status":%q,"price":%d.%02d,"customer":"c%x"},`,
			rnd.IntN(1e6), states[rnd.IntN(4)], rnd.IntN(500), rnd.IntN(100), rnd.Uint64())
	}
	return b.String()[:n]
}

// Noise is n incompressible bytes.
func Noise(n int) string {
	rnd := rand.NewChaCha8([32]byte{byte(n)})
	b := make([]byte, n)
	rnd.Read(b)
	return string(b)
}
