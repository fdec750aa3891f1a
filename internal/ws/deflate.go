package ws

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/flate"
)

// minDeflate is the smallest payload that is compressed. 128 bytes of JSON hardly
// shrink, 256 bytes do by a third (docs/decisions/0004-compression-once.md).
const minDeflate = 256

// Windows of permessage-deflate are powers of two (RFC 7692 §7.1.2.1), given by their
// exponent.
const (
	minWindow = 8
	maxWindow = 15
)

// classWindows are the windows that frames are compressed for. A connection that has
// another one gets frames for the next smaller.
var classWindows = [...]int{maxWindow, 12, 10, minWindow}

// DeflateClasses is how many compressed frames there can be of one frame.
const DeflateClasses = len(classWindows)

// DeflateClass is the class to compress a frame in for a connection with that window.
// It is 0, the whole window, for every frame that is not longer than the window.
func DeflateClass(frame []byte, window int) int {
	if len(FramePayload(frame)) <= 1<<window {
		return 0
	}
	class := 0
	for classWindows[class] > window {
		class++
	}
	return class
}

// DeflateFrame returns a frame made by AppendFrame compressed (RFC 7692 §7.2.1),
// or the frame itself where that is not smaller. No context is taken over from
// other messages, so the result may be shared by all connections for which
// DeflateClass gives this class; others must not get it.
func DeflateFrame(frame []byte, class int) []byte {
	payload := FramePayload(frame)
	if len(payload) < minDeflate {
		return frame
	}
	out := deflated.Get().(*bytes.Buffer)
	defer recycleBuffer(out)
	if class == 0 {
		// Stateless: a flate.Writer would hold half a megabyte for each loop.
		flate.StatelessDeflate(out, payload, false, nil) //nolint:errcheck // a Buffer takes everything
	} else {
		deflateWithin(out, payload, class)
	}
	// Both end with an empty stored block, of which the last four bytes are left out.
	body := out.Bytes()[:out.Len()-len(syncTail)]
	if len(body) >= len(payload) {
		return frame
	}
	small := AppendFrame(make([]byte, 0, maxHeader+len(body)), frame[0]&0x0F, body)
	small[0] |= rsv1
	return small
}

// deflateWithin compresses with less than the whole window. Its writers hold about a
// megabyte each, as long as messages are compressed for clients that want that.
func deflateWithin(out *bytes.Buffer, payload []byte, class int) {
	pool := &narrowWriters[class]
	w, ok := pool.Get().(*flate.Writer)
	if !ok {
		w, _ = flate.NewWriterWindow(nil, 1<<classWindows[class]) //nolint:errcheck // there are such windows
	}
	w.Reset(out)
	w.Write(payload) //nolint:errcheck // a Buffer takes everything
	w.Flush()        //nolint:errcheck // the same
	pool.Put(w)
}

var narrowWriters [DeflateClasses]sync.Pool

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
