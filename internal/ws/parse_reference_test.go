package ws

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	gobwas "github.com/gobwas/ws"
)

// reference parses frames in the simplest way, and returns lines of text, the last one
// being the close code of a violation, if any. It follows the text of RFC 6455 and
// shares no code with the parser.
func reference(input []byte, maxMessage int) []string {
	return referenceBy(Rules{MaxMessage: maxMessage}, input)
}

// referenceBy accepts compressed messages as well (RFC 7692), or a server's frames,
// depending on the rules.
func referenceBy(rules Rules, input []byte) []string {
	r := referenceReader{in: bytes.NewReader(input), max: rules.MaxMessage, deflate: rules.Deflate, server: rules.Unmasked}
	for {
		line, code := r.frame()
		if line != "" {
			r.lines = append(r.lines, line)
		}
		if code > 0 {
			return append(r.lines, fmt.Sprint(code))
		}
		if code == inputOver {
			return r.lines
		}
	}
}

const inputOver = -1

type referenceReader struct {
	in      *bytes.Reader
	max     int
	deflate bool
	server  bool          // the peer is a server: nothing is masked
	kind    gobwas.OpCode // of the message, 0 outside of one
	marked  bool          // the message is compressed
	message []byte
	lines   []string
}

// frame returns the line of the message or control frame that the frame completed, and
// a close code or inputOver.
func (r *referenceReader) frame() (line string, code int) {
	h, code := referenceHeader(r.in, r.deflate, r.server)
	if code != 0 {
		return "", code
	}
	control := h.OpCode.IsControl()
	if !control && (h.OpCode == gobwas.OpContinuation) != (r.kind != 0) {
		return "", 1002
	}
	if h.OpCode == gobwas.OpText || h.OpCode == gobwas.OpBinary {
		r.marked = h.Rsv1()
	}
	limit := r.max
	if r.marked {
		limit += limit/4 + 64
	}
	if !control && h.Length > int64(limit-len(r.message)) {
		return "", 1009
	}
	payload := make([]byte, h.Length)
	n, err := io.ReadFull(r.in, payload)
	payload = payload[:n]
	for i := range payload {
		payload[i] ^= h.Mask[i%4]
	}
	switch {
	case !control:
		return r.data(h, payload, err == nil)
	case err != nil:
		return "", inputOver
	}
	return referenceControl(h.OpCode, payload)
}

func (r *referenceReader) data(h *gobwas.Header, payload []byte, whole bool) (line string, code int) {
	if h.OpCode != gobwas.OpContinuation {
		r.kind = h.OpCode
	}
	r.message = append(r.message, payload...)
	switch {
	case r.kind == gobwas.OpText && !r.marked && !referenceUTF8(r.message, whole && h.Fin):
		return "", 1007
	case !whole:
		return "", inputOver
	case h.Fin && r.marked:
		if r.message, code = referenceInflate(r.message, r.max); code != 0 {
			return "", code
		}
		if r.kind == gobwas.OpText && !referenceUTF8(r.message, true) {
			return "", 1007
		}
	}
	if h.Fin {
		line = fmt.Sprintf("%d %q", r.kind, r.message)
		r.message, r.kind = nil, 0
	}
	return line, 0
}

// referenceHeader returns inputOver if the header is incomplete and valid so far.
// Missing bytes are assumed to be valid.
func referenceHeader(r *bytes.Reader, deflate, server bool) (*gobwas.Header, int) {
	left := r.Len()
	if left < 2 {
		return nil, inputOver
	}
	head := make([]byte, 14)
	for i := range head {
		head[i] = 0x7F
	}
	n, _ := r.Read(head)
	padded := bytes.NewReader(head)
	h, err := gobwas.ReadHeader(padded)
	if errors.Is(err, gobwas.ErrHeaderLengthMSB) && left < 10 {
		// The error is in bytes that the parser has not received yet.
		err = nil
	}
	size := len(head) - padded.Len()
	length := size // without the mask
	if h.Masked {
		length -= 4
	}
	marked := deflate && h.Rsv1() && !h.Rsv2() && !h.Rsv3() && (h.OpCode == gobwas.OpText || h.OpCode == gobwas.OpBinary)
	known := h.OpCode <= 2 || h.OpCode >= 8 && h.OpCode <= 10
	switch {
	case err != nil, h.Rsv != 0 && !marked, !known, h.Masked == server:
		return nil, 1002
	case h.OpCode.IsControl() && (!h.Fin || head[1]&0x7F > 125):
		return nil, 1002
	case length == 4 && left >= 4 && h.Length < 126, length == 10 && left >= 10 && h.Length < 65536:
		return nil, 1002
	case n < size:
		return nil, inputOver
	}
	r.Seek(int64(size-n), io.SeekCurrent)
	return &h, 0
}

func referenceControl(op gobwas.OpCode, payload []byte) (line string, code int) {
	if op != gobwas.OpClose {
		return fmt.Sprintf("%d %q", op, payload), 0
	}
	switch len(payload) {
	case 0:
		return `8 1005 ""`, 0
	case 1:
		return "", 1002
	}
	status, reason := gobwas.ParseCloseFrameData(payload)
	switch {
	case status < 1000, status >= 1004 && status <= 1006, status >= 1015 && status < 3000, status >= 5000:
		return "", 1002
	case !referenceUTF8([]byte(reason), true):
		return "", 1007
	}
	return fmt.Sprintf("8 %d %q", status, reason), 0
}

// referenceUTF8 follows the table of well-formed byte sequences (Unicode, table 3-7)
// and reports whether b is one, or the beginning of one.
func referenceUTF8(b []byte, ended bool) bool {
	more, low, high := 0, byte(0x80), byte(0xBF)
	for _, c := range b {
		if more > 0 {
			if c < low || c > high {
				return false
			}
			more, low, high = more-1, 0x80, 0xBF
			continue
		}
		switch {
		case c < 0x80:
		case c >= 0xC2 && c <= 0xDF:
			more = 1
		case c >= 0xE0 && c <= 0xEF:
			more = 2
			if c == 0xE0 {
				low = 0xA0
			}
			if c == 0xED {
				high = 0x9F
			}
		case c >= 0xF0 && c <= 0xF4:
			more = 3
			if c == 0xF0 {
				low = 0x90
			}
			if c == 0xF4 {
				high = 0x8F
			}
		default:
			return false
		}
	}
	return more == 0 || !ended
}
