package conn

// Handshake is what an upgrade leaves to the connection.
type Handshake struct {
	Early   []byte // came behind it
	Deflate bool   // permessage-deflate was agreed on, see NegotiateDeflate
}

// attached is an endpoint's place among those of its loop.
type attached struct {
	nextOf, prevOf *endpoint
}

// attach takes a connection in, on the loop. One that comes too late is ended at
// once: Attach promised a call of Closed.
func (l *Loop) attach(sock socket, hs Handshake, h func(Conn) Handler) {
	c := sock.base()
	c.deflate = hs.Deflate
	c.last = l.now.Sub(l.start)
	if c.nextOf = l.first; c.nextOf != nil {
		c.nextOf.prevOf = c
	}
	l.first = c
	c.handler = h(sock)
	if l.closing {
		c.Abort(codeGoingAway, "")
		return
	}
	if !c.closed {
		sock.begin(hs.Early)
	}
}

// detach is the other end of attach; Closed is called later in this turn.
func (l *Loop) detach(c *endpoint) {
	if c.prevOf != nil {
		c.prevOf.nextOf = c.nextOf
	} else {
		l.first = c.nextOf
	}
	if c.nextOf != nil {
		c.nextOf.prevOf = c.prevOf
	}
	c.attached = attached{}
	l.ended = append(l.ended, c)
}

// abortAll begins the loop's end.
func (l *Loop) abortAll() {
	l.closing = true
	for l.first != nil {
		l.first.Abort(codeGoingAway, "")
	}
}

// takeList gives an empty list of frames. Lists move from connection to connection,
// so that one with nothing to send holds none.
func (l *Loop) takeList() [][]byte {
	if n := len(l.lists); n > 0 {
		list := l.lists[n-1]
		l.lists = l.lists[:n-1]
		return list
	}
	return make([][]byte, 0, 8)
}

// giveList takes a list back. Frames it still refers to are let go.
func (l *Loop) giveList(list [][]byte) {
	if cap(list) <= maxList && len(l.lists) < maxLists {
		clear(list)
		l.lists = append(l.lists, list[:0])
	}
}

const (
	maxList  = 64   // frames of a list that is kept
	maxLists = 1024 // lists a loop keeps
)
