package ws

import (
	"bytes"
	"compress/flate"
	"io"
	"slices"
	"sync"
)

// syncTail is what a sender leaves out at the end of a compressed message (RFC
// 7692 §7.2.1).
const syncTail = "\x00\x00\xff\xff"

// inflateTail goes behind a compressed message: what its sender left out, and an
// empty last block, so that the reader says io.EOF rather than that more was to
// come.
const inflateTail = syncTail + "\x01\x00\x00\xff\xff"

// maxDeflated is how long a compressed message may be when what it holds may have
// maxMessage bytes. What does not compress grows by at most an eighth (see zlib's
// deflateBound).
func maxDeflated(maxMessage int) int { return maxMessage + maxMessage/4 + 64 }

// inflater is a decompressor, the standard library's: that of klauspost/compress,
// which compresses here, keeps the codes of the message before over a Reset, and
// reads corrupt data with them. About 36 KB, and what it read last.
type inflater struct {
	in  []byte
	src bytes.Reader
	fr  io.ReadCloser
}

var inflaters = sync.Pool{New: func() any {
	f := new(inflater)
	f.fr = flate.NewReader(&f.src)
	return f
}}

// inflate appends to dst, which is empty, what a compressed message holds. It
// takes memory for at most maxMessage bytes and one, however much there is.
func inflate(dst, message []byte, maxMessage int) ([]byte, *ProtocolError) {
	if len(message) == 0 {
		return dst, nil // zlib reads it as empty, so some peers send it
	}
	f := inflaters.Get().(*inflater)
	defer f.recycle()
	f.in = append(append(f.in[:0], message...), inflateTail...)
	f.src.Reset(f.in)
	for f.src.Len() > 0 {
		// A message may be more than one DEFLATE stream: one ends with a block
		// marked as the last, and the next begins at a whole byte (§7.2.1).
		f.fr.(flate.Resetter).Reset(&f.src, nil) //nolint:errcheck // it never fails
		var err error
		dst, err = f.read(dst, maxMessage+1)
		switch {
		case len(dst) > maxMessage:
			return dst, errTooBig
		case err != io.EOF:
			return dst, errDeflate
		}
	}
	return dst, nil
}

// read appends a stream to dst, until that has limit bytes. The error is io.EOF at
// the end of the stream.
func (f *inflater) read(dst []byte, limit int) ([]byte, error) {
	for len(dst) < limit {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, min(max(len(dst), len(f.in), 512), limit-len(dst)))
		}
		n, err := f.fr.Read(dst[len(dst):min(cap(dst), limit)])
		if dst = dst[:len(dst)+n]; err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (f *inflater) recycle() {
	if cap(f.in) > keepMessage {
		f.in = nil
	}
	f.src.Reset(nil)
	inflaters.Put(f)
}
