package conn

// Handshake is the result of the opening handshake.
type Handshake struct {
	Early  []byte // bytes received after the request
	Window int    // of permessage-deflate, 0 if not negotiated; see ws.NegotiateDeflate
	Bare   bool   // messages are data, with nothing around it: Config.MaxBare applies
}

// attached links an endpoint to the other endpoints of its loop.
type attached struct {
	nextOf, prevOf *endpoint
}

// attach adds a connection to the loop, on the loop. If the loop is closing, the
// connection is closed at once: Attach promised a call of Closed.
func (l *Loop) attach(sock socket, hs Handshake, h func(Conn) Handler) {
	c := sock.base()
	c.window, c.bare = uint8(hs.Window), hs.Bare
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

// detach undoes attach; Closed is called later in this turn.
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

// abortAll starts closing the loop.
func (l *Loop) abortAll() {
	l.closing = true
	for l.first != nil {
		l.first.Abort(codeGoingAway, "")
	}
}
