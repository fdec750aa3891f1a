package ws

import (
	"encoding/binary"
	"sync"
	"unicode/utf8"
)

// Frame is what a peer sent: a whole data message, joined from its frames,
// decompressed and checked to be UTF-8 if it is text, or a control frame.
type Frame struct {
	Op       byte   // OpText, OpBinary, OpClose, OpPing or OpPong; 0: there is no whole frame
	deflated bool   // the payload is still compressed
	Code     int    // of a close frame; 1005 when it had none
	Payload  []byte // of a close frame, its reason
}

// Rules are what one connection allows its peer.
type Rules struct {
	MaxMessage int  // the largest message, in bytes
	Deflate    bool // permessage-deflate was agreed on
	Unmasked   bool // the peer is a server: its frames are not masked (RFC 6455 §5.1)
}

// maxPayload is how many bytes the frames of a message may carry.
func (r Rules) maxPayload(deflated bool) int {
	if deflated {
		return maxDeflated(r.MaxMessage)
	}
	return r.MaxMessage
}

// Parser finds frames in a peer's bytes, however they are cut. It owns no memory
// between messages: whole frames are handed out of the slice they came in, and
// only what is incomplete is copied, as it comes. It is for one goroutine. Its zero
// value is ready for use.
type Parser struct {
	part *partial
}

// Next takes from b up to the end of the next frame. Call it again with the rest
// until it finds none; it then took all of b. The frame's payload is valid until
// then, and b is changed: payloads are unmasked where they lie. An error is final.
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

// inflate puts what a compressed message holds into the place of the message. Both
// are at hand only then: between its frames just the compressed bytes are kept.
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

// Release gives back what the parser holds. It then begins anew.
func (p *Parser) Release() {
	if p.part != nil {
		p.part.recycle()
		p.part = nil
	}
}

// wholeFrame is the common case: a control frame or a message of one frame, with all
// of its bytes there. n is 0 if it is not that.
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

// checkControl checks what only close frames have to be checked for (RFC 6455
// §5.5.1); their payload is the reason.
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

// partial is a message, or a frame, of which more is to come.
type partial struct {
	head  [maxHeader]byte // of the frame that begins, as far as it came
	nhead int

	inFrame bool
	frame   header
	got     int              // bytes of the frame's payload that came
	control [maxControl]byte // a control frame's payload; it may come between fragments

	op       byte   // of the message, opContinuation outside of one
	deflated bool   // what comes of it is compressed
	msg      []byte // what came of it
	valid    int    // bytes of a text that were checked, up to a whole character

	done bool // what was handed out was the last of it
}

// keepMessage is the largest buffer that is kept for another message.
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

// takeHeader takes the head of the next frame from b, or as much of it as is
// there.
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

// beginFrame checks a frame against the message it is part of, and its size before
// any memory is taken for it.
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

// takePayload takes what b has of the frame's payload.
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

// checkText checks what came of a text since the last time. A character that is
// cut is left for the next time, unless the message ends with it; one that cannot
// become valid any more is refused at once.
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

// cutRune is the number of bytes at the end of b that begin a character which
// may be completed.
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

// endFrame hands out a complete frame, if it ends a message or is a control frame.
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
