package ws

import "io"

// Reader takes frames out of what a server sends. It is for one goroutine.
type Reader struct {
	src    io.Reader
	parser Parser
	rules  Rules
	rest   []byte // of buf, or what came early
	buf    [8 << 10]byte
}

// NewReader reads from src, behind the early bytes that came with the handshake.
// Messages have at most maxMessage bytes; deflate says that permessage-deflate
// without context takeover was agreed on.
func NewReader(src io.Reader, early []byte, maxMessage int, deflate bool) *Reader {
	return &Reader{src: src, rest: early, rules: Rules{MaxMessage: maxMessage, Deflate: deflate, Unmasked: true}}
}

// Next waits for the next frame. Its payload is valid until the next call. The
// error is a *ProtocolError when the server broke RFC 6455, else that of the
// source; it is final.
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
