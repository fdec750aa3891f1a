package session

import "time"

// window holds the messages that a session has sent and the client has not
// acknowledged. Owned by the loop.
type window struct {
	sent  []inFlight // in the order of sending
	bytes int
	full  bool // a message did not fit, and none has left since

	// In plain mode:
	fresh    bool      // the window has a message that no cursor ping covers
	unpinged time.Time // when the first such message was sent, or zero
	ping     uint32    // the number of the outstanding cursor ping, or 0
	pinged   []pinged  // the cursors that its pong acknowledges
	asked    time.Time // when it was sent
	strays   int       // pongs since then with an unknown payload
}

type inFlight struct {
	sub  *subscription
	seq  uint64
	size int
}

// pinged is a subscription and its cursor at the time of a cursor ping.
type pinged struct {
	sub *subscription
	seq uint64
}

// enter adds a message to the window. False means that it does not fit; a message
// larger than the whole window fits if the window is empty.
func (s *Session) enter(sub *subscription, seq uint64, size int) bool {
	f, o := s.window, &s.loop.host.Config
	if f == nil {
		f = new(window)
		s.window = f
	}
	if len(f.sent) >= o.Window || len(f.sent) > 0 && f.bytes+size > o.WindowBytes {
		f.full = true
		return false
	}
	f.sent = append(f.sent, inFlight{sub: sub, seq: seq, size: size})
	f.bytes += size
	f.fresh = true
	return true
}

// room is how many more messages fit in the window, as far as that is known without
// their sizes.
func (s *Session) room() int {
	f, o := s.window, &s.loop.host.Config
	switch {
	case f == nil:
		return o.Window
	case f.full, len(f.sent) > 0 && f.bytes >= o.WindowBytes:
		return 0
	}
	return max(0, o.Window-len(f.sent))
}

// half reports whether half of the window is used.
func (s *Session) half() bool {
	f, o := s.window, &s.loop.host.Config
	return 2*len(f.sent) >= o.Window || 2*f.bytes >= o.WindowBytes
}

// takeOut removes acknowledged messages from the window, and returns their number.
func (s *Session) takeOut(sub *subscription, through uint64) int {
	f := s.window
	if f == nil {
		return 0
	}
	kept := f.sent[:0]
	for _, m := range f.sent {
		if m.sub == sub && m.seq <= through {
			f.bytes -= m.size
			continue
		}
		kept = append(kept, m)
	}
	n := len(f.sent) - len(kept)
	clear(f.sent[len(kept):])
	f.sent, f.full = kept, f.full && n == 0
	s.dropWindow()
	return n
}

// dropWindow frees the memory of an empty window.
func (s *Session) dropWindow() {
	if f := s.window; f != nil && len(f.sent) == 0 && f.ping == 0 {
		s.window = nil
	}
}
