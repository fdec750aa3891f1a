package ws

import (
	"bytes"
	"sync"

	"github.com/klauspost/compress/flate"
)

// minDeflate is the smallest payload that is compressed. 128 bytes of JSON hardly
// shrink, 256 bytes shrink by a third (docs/decisions/0004-compression-once.md).
const minDeflate = 256

// The windows of permessage-deflate are powers of two (RFC 7692 §7.1.2.1), given as
// exponents.
const (
	minWindow = 8
	maxWindow = 15
)

// classWindows are the windows for which frames are compressed. A connection with
// another window gets frames for the next smaller one.
var classWindows = [...]int{maxWindow, 12, 10, minWindow}

// DeflateClasses is the number of compressed frames that one frame may have.
const DeflateClasses = len(classWindows)

// DeflateClass returns the class in which to compress a frame for a connection with
// that window. It is 0, the full window, for every frame that is not longer than the
// window.
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

// DeflateFrame returns the compressed form (RFC 7692 §7.2.1) of a frame made by
// AppendFrame, or the frame itself if that is not smaller. The result does not depend
// on other messages, so it may be shared by all connections for which DeflateClass
// returns this class; no other connection may get it.
func DeflateFrame(frame []byte, class int) []byte {
	payload := FramePayload(frame)
	if len(payload) < minDeflate {
		return frame
	}
	out := deflated.Get().(*bytes.Buffer)
	defer recycleBuffer(out)
	if class == 0 {
		// Stateless: a flate.Writer would hold half a megabyte per loop.
		flate.StatelessDeflate(out, payload, false, nil) //nolint:errcheck // a Buffer takes everything
	} else {
		deflateWithin(out, payload, class)
	}
	// Both results end with an empty stored block, whose last four bytes are omitted.
	body := out.Bytes()[:out.Len()-len(syncTail)]
	if len(body) >= len(payload) {
		return frame
	}
	small := AppendFrame(make([]byte, 0, maxHeader+len(body)), frame[0]&0x0F, body)
	small[0] |= rsv1
	return small
}

// deflateWithin compresses with a smaller window. Its writers hold about a megabyte
// each, as long as clients need them.
func deflateWithin(out *bytes.Buffer, payload []byte, class int) {
	pool := &narrowWriters[class]
	w, ok := pool.Get().(*flate.Writer)
	if !ok {
		w, _ = flate.NewWriterWindow(nil, 1<<classWindows[class]) //nolint:errcheck // all windows are valid
	}
	w.Reset(out)
	w.Write(payload) //nolint:errcheck // writes to a Buffer do not fail
	w.Flush()        //nolint:errcheck // the same
	pool.Put(w)
}

var narrowWriters [DeflateClasses]sync.Pool

// deflated is a pool of output buffers.
var deflated = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func recycleBuffer(b *bytes.Buffer) {
	if b.Cap() <= keepDeflated {
		b.Reset()
		deflated.Put(b)
	}
}

// keepDeflated is the largest output buffer that is kept.
const keepDeflated = 64 << 10
