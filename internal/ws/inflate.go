package ws

import (
	"bytes"
	"compress/flate"
	"io"
	"slices"
	"sync"
)

// syncTail is omitted by the sender at the end of a compressed message (RFC 7692
// §7.2.1).
const syncTail = "\x00\x00\xff\xff"

// inflateTail is appended to a compressed message: the omitted bytes, and an empty
// final block, so that the reader returns io.EOF rather than io.ErrUnexpectedEOF.
const inflateTail = syncTail + "\x01\x00\x00\xff\xff"

// maxDeflated is the maximum length of a compressed message whose content may have
// maxMessage bytes. Incompressible data grows by at most an eighth (see zlib's
// deflateBound).
func maxDeflated(maxMessage int) int { return maxMessage + maxMessage/4 + 64 }

// inflater is a decompressor, of the standard library: that of klauspost/compress,
// which compresses here, keeps the codes of the previous message over a Reset, and
// decodes corrupt data with them. It takes about 36 KB and its last input.
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

// inflate appends the content of a compressed message to dst, which is empty. It
// allocates for at most maxMessage+1 bytes, however long the content.
func inflate(dst, message []byte, maxMessage int) ([]byte, *ProtocolError) {
	if len(message) == 0 {
		return dst, nil // zlib decodes it as empty, so some peers send it
	}
	f := inflaters.Get().(*inflater)
	defer f.recycle()
	f.in = append(append(f.in[:0], message...), inflateTail...)
	f.src.Reset(f.in)
	for f.src.Len() > 0 {
		// A message may consist of several DEFLATE streams: a stream ends with a block
		// marked as final, and the next one begins at a byte boundary (§7.2.1).
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

// read appends a stream to dst, until dst has limit bytes. The error is io.EOF at the
// end of the stream.
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
