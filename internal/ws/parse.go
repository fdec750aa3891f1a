package ws

import (
	"encoding/binary"
	"sync"
	"unicode/utf8"
)

// Frame is a unit of a peer's input: a whole data message, joined from its frames,
// decompressed and, if it is text, valid UTF-8, or a control frame.
type Frame struct {
	Op       byte   // OpText, OpBinary, OpClose, OpPing or OpPong; 0: no frame is complete
	deflated bool   // the payload is still compressed
	Code     int    // of a close frame; 1005 when it had none
	Payload  []byte // of a close frame, its reason
}

// Rules are the limits and features of one connection's input.
type Rules struct {
	MaxMessage int  // the largest message, in bytes
	Deflate    bool // permessage-deflate was negotiated
	Unmasked   bool // the peer is a server: its frames are not masked (RFC 6455 §5.1)
}

// maxPayload is the maximum number of payload bytes of all frames of a message.
func (r Rules) maxPayload(deflated bool) int {
	if deflated {
		return maxDeflated(r.MaxMessage)
	}
	return r.MaxMessage
}

// Parser finds frames in a peer's input, which may be split anywhere. It holds no
// memory between messages: a whole frame is returned as a slice of the input, and only
// incomplete frames are copied, as they arrive. It is for one goroutine. The zero value
// is ready for use.
type Parser struct {
	part *partial
}

// Next consumes b up to the end of the next frame. Call it again with the rest until it
// finds no frame; it has then consumed all of b. The frame's payload is valid until the
// next call, and b is modified: payloads are unmasked in place. An error is final.
func (p *Parser) Next(b []byte, r Rules) (f Frame, rest []byte, err *ProtocolError) {
	f, rest, err = p.find(b, r)
	if err == nil && f.deflated {
		f, err = p.inflate(f, r.MaxMessage)
	}
	return f, rest, err
}

func (p *Parser) find(b []byte, r Rules) (f Frame, rest []byte, err *ProtocolError) {
	if p.part != nil && p.part.done {
		p.Release()
	}
	if p.part == nil {
		if len(b) == 0 {
			return Frame{}, nil, nil
		}
		if f, n, err := wholeFrame(b, r); n > 0 || err != nil {
			return f, b[n:], err
		}
		p.part = partials.Get().(*partial)
	}
	return p.part.next(b, r)
}

// inflate replaces the payload of a compressed message by its content. Both are in
// memory only during this call: between frames only the compressed bytes are kept.
func (p *Parser) inflate(f Frame, maxMessage int) (Frame, *ProtocolError) {
	whole := partials.Get().(*partial)
	whole.done = true
	var err *ProtocolError
	whole.msg, err = inflate(whole.msg, f.Payload, maxMessage)
	p.Release()
	p.part = whole
	if err == nil && f.Op == OpText && !utf8.Valid(whole.msg) {
		err = errUTF8
	}
	return Frame{Op: f.Op, Payload: whole.msg}, err
}

// Release frees the parser's memory and resets it.
func (p *Parser) Release() {
	if p.part != nil {
		p.part.recycle()
		p.part = nil
	}
}

// wholeFrame is the common case: a control frame or a message of one frame, complete in
// b. n is 0 if b is not that.
func wholeFrame(b []byte, r Rules) (f Frame, n int, err *ProtocolError) {
	h, n, err := parseHeader(b, r)
	if n == 0 || !h.fin || h.op == opContinuation || h.length > uint64(len(b)-n) {
		return Frame{}, 0, err
	}
	end := n + int(h.length)
	payload := b[n:end:end]
	if !r.Unmasked {
		mask(payload, h.mask, 0)
	}
	switch {
	case isControl(h.op):
		f, err = checkControl(h.op, payload)
		return f, end, err
	case len(payload) > r.maxPayload(h.deflated):
		return Frame{}, 0, errTooBig
	case h.op == OpText && !h.deflated && !utf8.Valid(payload):
		return Frame{}, 0, errUTF8
	}
	return Frame{Op: h.op, deflated: h.deflated, Payload: payload}, end, nil
}

// checkControl makes the checks for close frames (RFC 6455 §5.5.1), whose payload is
// the reason.
func checkControl(op byte, payload []byte) (Frame, *ProtocolError) {
	if op != OpClose {
		return Frame{Op: op, Payload: payload}, nil
	}
	switch len(payload) {
	case 0:
		return Frame{Op: OpClose, Code: codeNoStatus}, nil
	case 1:
		return Frame{}, errClosePayload
	}
	code, reason := int(binary.BigEndian.Uint16(payload)), payload[2:]
	switch {
	case !validCloseCode(code):
		return Frame{}, errCloseCode
	case !utf8.Valid(reason):
		return Frame{}, errUTF8
	}
	return Frame{Op: OpClose, Code: code, Payload: reason}, nil
}

// partial is an incomplete message or frame.
type partial struct {
	head  [maxHeader]byte // of the next frame, as far as received
	nhead int

	inFrame bool
	frame   header
	got     int              // bytes of the frame's payload received
	control [maxControl]byte // a control frame's payload; it may come between fragments

	op       byte   // of the message, opContinuation outside of one
	deflated bool   // its payload is compressed
	msg      []byte // the payload received
	valid    int    // bytes of a text checked, up to a whole character

	done bool // the returned frame was the last of the message
}

// keepMessage is the largest buffer that is kept for the next message.
const keepMessage = 16 << 10

var partials = sync.Pool{New: func() any { return new(partial) }}

func (p *partial) recycle() {
	msg := p.msg[:0]
	if cap(msg) > keepMessage {
		msg = nil
	}
	*p = partial{msg: msg}
	partials.Put(p)
}

func (p *partial) next(b []byte, r Rules) (Frame, []byte, *ProtocolError) {
	for {
		if !p.inFrame {
			n, err := p.takeHeader(b, r)
			if b = b[n:]; err != nil || !p.inFrame {
				return Frame{}, b, err
			}
		}
		n, err := p.takePayload(b, r)
		if b = b[n:]; err != nil || p.got < int(p.frame.length) {
			return Frame{}, b, err
		}
		if f, err := p.endFrame(); err != nil || f.Op != opContinuation {
			return f, b, err
		}
	}
}

// takeHeader consumes the header of the next frame from b, or as much of it as b holds.
func (p *partial) takeHeader(b []byte, r Rules) (int, *ProtocolError) {
	before := p.nhead
	p.nhead += copy(p.head[before:], b)
	h, n, err := parseHeader(p.head[:p.nhead], r)
	if err != nil {
		return len(b), err
	}
	if n == 0 {
		return p.nhead - before, nil
	}
	if err := p.beginFrame(h, r); err != nil {
		return len(b), err
	}
	p.nhead = 0
	return n - before, nil
}

// beginFrame checks a frame against the current message, and its size before memory is
// allocated for it.
func (p *partial) beginFrame(h header, r Rules) *ProtocolError {
	if !isControl(h.op) {
		switch {
		case h.op == opContinuation && p.op == opContinuation:
			return errNoMessage
		case h.op != opContinuation && p.op != opContinuation:
			return errInMessage
		}
		if h.op != opContinuation {
			p.op, p.deflated = h.op, h.deflated
		}
		if h.length > uint64(r.maxPayload(p.deflated)-len(p.msg)) {
			return errTooBig
		}
	}
	p.inFrame, p.frame, p.got = true, h, 0
	return nil
}

// takePayload consumes the part of the frame's payload in b.
func (p *partial) takePayload(b []byte, r Rules) (int, *ProtocolError) {
	n := min(len(b), int(p.frame.length)-p.got)
	b = b[:n]
	if !r.Unmasked {
		mask(b, p.frame.mask, p.got)
	}
	if isControl(p.frame.op) {
		copy(p.control[p.got:], b)
	} else {
		p.msg = append(p.msg, b...)
	}
	p.got += n
	if !isControl(p.frame.op) && !p.checkText() {
		return n, errUTF8
	}
	return n, nil
}

// checkText checks the new bytes of a text. An incomplete character is left for the
// next call, unless the message ends with it; one that cannot become valid is refused
// at once.
func (p *partial) checkText() bool {
	if p.op != OpText || p.deflated {
		return true
	}
	fresh := p.msg[p.valid:]
	if !p.frame.fin || p.got < int(p.frame.length) {
		fresh = fresh[:len(fresh)-cutRune(fresh)]
	}
	p.valid += len(fresh)
	return utf8.Valid(fresh)
}

// cutRune is the length of an incomplete but possibly valid character at the end of b.
func cutRune(b []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if tail := b[len(b)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return i
			}
			return 0
		}
	}
	return 0
}

// endFrame returns a complete frame, if it ends a message or is a control frame.
func (p *partial) endFrame() (Frame, *ProtocolError) {
	p.inFrame = false
	switch {
	case isControl(p.frame.op):
		p.done = p.op == opContinuation
		return checkControl(p.frame.op, p.control[:p.got])
	case p.frame.fin:
		p.done = true
		return Frame{Op: p.op, deflated: p.deflated, Payload: p.msg}, nil
	}
	return Frame{}, nil
}
