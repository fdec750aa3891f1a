package conn

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/flate"
)

// rsv1 marks a compressed message, in its first frame (RFC 7692 §6).
const rsv1 = 0x40

// minDeflate is the smallest payload that is compressed. 128 bytes of JSON hardly
// shrink, 256 bytes do by a third (docs/decisions/0004-compression-once.md).
const minDeflate = 256

// DeflateFrame returns a frame made by AppendFrame compressed (RFC 7692 §7.2.1),
// or the frame itself where that is not smaller. No context is taken over from
// other messages, so the result may be shared by all connections that have
// Deflates; others must not get it.
func DeflateFrame(frame []byte) []byte {
	payload := frame[headerSize(frame):]
	if len(payload) < minDeflate {
		return frame
	}
	out := deflated.Get().(*bytes.Buffer)
	defer recycleBuffer(out)
	// Stateless: a flate.Writer would hold half a megabyte for each loop. It ends
	// with an empty stored block, of which the last four bytes are left out.
	flate.StatelessDeflate(out, payload, false, nil) //nolint:errcheck // a Buffer takes everything
	body := out.Bytes()[:out.Len()-len(syncTail)]
	if len(body) >= len(payload) {
		return frame
	}
	small := AppendFrame(make([]byte, 0, maxHeader+len(body)), frame[0]&0x0F, body)
	small[0] |= rsv1
	return small
}

// headerSize is the size of a server frame's header.
func headerSize(frame []byte) int {
	switch frame[1] {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// deflated are the buffers that are compressed into.
var deflated = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func recycleBuffer(b *bytes.Buffer) {
	if b.Cap() <= keepDeflated {
		b.Reset()
		deflated.Put(b)
	}
}

// keepDeflated is the largest buffer of compressed bytes that is kept.
const keepDeflated = 64 << 10
