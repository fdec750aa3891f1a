package conn

import (
	"crypto/rand"
	"encoding/binary"
	"io"

	"github.com/gobwas/ws"
)

// Frame is what a Reader found: a whole data message or a control frame.
type Frame struct {
	Op      byte   // OpText, OpBinary, OpClose, OpPing or OpPong
	Code    int    // of a close frame; 1005 when it had none
	Payload []byte // of a close frame, its reason
}

// Reader takes frames out of what a server sends: the same parser as for clients,
// on the other side of a connection and without a loop. It is for one goroutine.
type Reader struct {
	src    io.Reader
	parser parser
	rules  rules
	rest   []byte // of buf, or what came early
	buf    [8 << 10]byte
}

// NewReader reads from src, behind the early bytes that came with the handshake.
// Messages have at most maxMessage bytes; deflate says that permessage-deflate
// without context takeover was agreed on.
func NewReader(src io.Reader, early []byte, maxMessage int, deflate bool) *Reader {
	return &Reader{src: src, rest: early, rules: rules{maxMessage: maxMessage, deflate: deflate, unmasked: true}}
}

// Next waits for the next frame. Its payload is valid until the next call. The
// error is a *ProtocolError when the server broke RFC 6455, else that of the
// source; it is final.
func (r *Reader) Next() (Frame, error) {
	for {
		ev, rest, bad := r.parser.next(r.rest, r.rules)
		r.rest = rest
		if bad != nil {
			r.parser.release()
			return Frame{}, bad
		}
		if ev.op != opContinuation {
			return Frame{Op: ev.op, Code: ev.code, Payload: ev.payload}, nil
		}
		n, err := r.src.Read(r.buf[:])
		r.rest = r.buf[:n]
		if n == 0 && err != nil {
			r.parser.release()
			return Frame{}, err
		}
	}
}

// AppendMasked appends a whole client frame to dst: final, and masked with a key
// that nobody can foresee (RFC 6455 §5.3). A control frame's payload must not be
// longer than 125 bytes.
func AppendMasked(dst []byte, op byte, payload []byte) []byte {
	var key [4]byte
	rand.Read(key[:]) //nolint:errcheck // it never fails
	dst = append(dst, finBit|op)
	switch n := len(payload); {
	case isControl(op) && n > maxControl:
		panic("conn: control frame of more than 125 bytes")
	case n <= 125:
		dst = append(dst, maskBit|byte(n))
	case n <= 0xFFFF:
		dst = binary.BigEndian.AppendUint16(append(dst, maskBit|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, maskBit|127), uint64(n))
	}
	dst = append(dst, key[:]...)
	at := len(dst)
	dst = append(dst, payload...)
	ws.Cipher(dst[at:], key, 0)
	return dst
}

// AppendMaskedClose is AppendClose for a client.
func AppendMaskedClose(dst []byte, code int, reason string) []byte {
	frame := AppendClose(nil, code, reason)
	return AppendMasked(dst, OpClose, frame[2:])
}
