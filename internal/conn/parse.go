package conn

import (
	"encoding/binary"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// event is what the parser found: a whole message or a control frame.
type event struct {
	op       byte // opContinuation: nothing whole is there
	deflated bool // the payload is compressed still
	code     int  // of a close frame
	payload  []byte
}

// rules are what one connection allows its peer.
type rules struct {
	maxMessage int
	deflate    bool // compressed messages
	unmasked   bool // the peer is a server: its frames are not masked (RFC 6455 §5.1)
}

// maxPayload is how many bytes the frames of a message may carry.
func (r rules) maxPayload(deflated bool) int {
	if deflated {
		return maxDeflated(r.maxMessage)
	}
	return r.maxMessage
}

// parser makes events of a peer's bytes, however they are cut. It owns no memory
// between messages: whole frames are handed out of the slice they came in, and
// only what is incomplete is copied, as it comes.
type parser struct {
	part *partial
}

// next takes from b up to the end of the next event. Call it again with the rest
// until it finds nothing; it then took all of b. The event's payload is valid
// until then, and b is changed: payloads are unmasked where they lie.
func (p *parser) next(b []byte, r rules) (ev event, rest []byte, err *ProtocolError) {
	ev, rest, err = p.find(b, r)
	if err == nil && ev.deflated {
		ev, err = p.inflate(ev, r.maxMessage)
	}
	return ev, rest, err
}

func (p *parser) find(b []byte, r rules) (ev event, rest []byte, err *ProtocolError) {
	if p.part != nil && p.part.done {
		p.release()
	}
	if p.part == nil {
		if len(b) == 0 {
			return event{}, nil, nil
		}
		if ev, n, err := wholeFrame(b, r); n > 0 || err != nil {
			return ev, b[n:], err
		}
		p.part = partials.Get().(*partial)
	}
	return p.part.next(b, r)
}

// inflate puts what a compressed message holds into the place of the message. Both
// are at hand only then: between its frames just the compressed bytes are kept.
func (p *parser) inflate(ev event, maxMessage int) (event, *ProtocolError) {
	whole := partials.Get().(*partial)
	whole.done = true
	var err *ProtocolError
	whole.msg, err = inflate(whole.msg, ev.payload, maxMessage)
	p.release()
	p.part = whole
	if err == nil && ev.op == OpText && !utf8.Valid(whole.msg) {
		err = errUTF8
	}
	return event{op: ev.op, payload: whole.msg}, err
}

// release gives back what the parser holds.
func (p *parser) release() {
	if p.part != nil {
		p.part.recycle()
		p.part = nil
	}
}

// wholeFrame is the common case: a frame that is an event by itself, with all of
// its bytes there. n is 0 if it is not that.
func wholeFrame(b []byte, r rules) (ev event, n int, err *ProtocolError) {
	h, n, err := parseHeader(b, r)
	if n == 0 || !h.fin || h.op == opContinuation || h.length > uint64(len(b)-n) {
		return event{}, 0, err
	}
	end := n + int(h.length)
	payload := b[n:end:end]
	ws.Cipher(payload, h.mask, 0)
	switch {
	case isControl(h.op):
		ev, err = controlEvent(h.op, payload)
		return ev, end, err
	case len(payload) > r.maxPayload(h.deflated):
		return event{}, 0, errTooBig
	case h.op == OpText && !h.deflated && !utf8.Valid(payload):
		return event{}, 0, errUTF8
	}
	return event{op: h.op, deflated: h.deflated, payload: payload}, end, nil
}

// controlEvent checks what only close frames have to be checked for (RFC 6455
// §5.5.1); the payload of their event is the reason.
func controlEvent(op byte, payload []byte) (event, *ProtocolError) {
	if op != OpClose {
		return event{op: op, payload: payload}, nil
	}
	switch len(payload) {
	case 0:
		return event{op: OpClose, code: codeNoStatus}, nil
	case 1:
		return event{}, errClosePayload
	}
	code, reason := int(binary.BigEndian.Uint16(payload)), payload[2:]
	switch {
	case !validCloseCode(code):
		return event{}, errCloseCode
	case !utf8.Valid(reason):
		return event{}, errUTF8
	}
	return event{op: OpClose, code: code, payload: reason}, nil
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

func (p *partial) next(b []byte, r rules) (event, []byte, *ProtocolError) {
	for {
		if !p.inFrame {
			n, err := p.takeHeader(b, r)
			if b = b[n:]; err != nil || !p.inFrame {
				return event{}, b, err
			}
		}
		n, err := p.takePayload(b)
		if b = b[n:]; err != nil || p.got < int(p.frame.length) {
			return event{}, b, err
		}
		if ev, err := p.endFrame(); err != nil || ev.op != opContinuation {
			return ev, b, err
		}
	}
}

// takeHeader takes the head of the next frame from b, or as much of it as is
// there.
func (p *partial) takeHeader(b []byte, r rules) (int, *ProtocolError) {
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
func (p *partial) beginFrame(h header, r rules) *ProtocolError {
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
func (p *partial) takePayload(b []byte) (int, *ProtocolError) {
	n := min(len(b), int(p.frame.length)-p.got)
	b = b[:n]
	ws.Cipher(b, p.frame.mask, p.got)
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

// endFrame makes an event of a complete frame, if it is the end of one.
func (p *partial) endFrame() (event, *ProtocolError) {
	p.inFrame = false
	switch {
	case isControl(p.frame.op):
		p.done = p.op == opContinuation
		return controlEvent(p.frame.op, p.control[:p.got])
	case p.frame.fin:
		p.done = true
		return event{op: p.op, deflated: p.deflated, payload: p.msg}, nil
	}
	return event{}, nil
}
