package ws

import "io"

// Reader reads frames from a server. It is for one goroutine.
type Reader struct {
	src    io.Reader
	parser Parser
	rules  Rules
	rest   []byte // of buf, or of the early bytes
	buf    [8 << 10]byte
}

// NewReader reads the early bytes, which followed the handshake response, and then src.
// Messages have at most maxMessage bytes; deflate says that permessage-deflate without
// context takeover was negotiated.
func NewReader(src io.Reader, early []byte, maxMessage int, deflate bool) *Reader {
	return &Reader{src: src, rest: early, rules: Rules{MaxMessage: maxMessage, Deflate: deflate, Unmasked: true}}
}

// Next waits for the next frame. Its payload is valid until the next call. The error is
// a *ProtocolError if the server violated RFC 6455, otherwise that of the source; it is
// final.
func (r *Reader) Next() (Frame, error) {
	for {
		f, rest, bad := r.parser.Next(r.rest, r.rules)
		r.rest = rest
		if bad != nil {
			r.parser.Release()
			return Frame{}, bad
		}
		if f.Op != opContinuation {
			return f, nil
		}
		n, err := r.src.Read(r.buf[:])
		r.rest = r.buf[:n]
		if n == 0 && err != nil {
			r.parser.Release()
			return Frame{}, err
		}
	}
}
