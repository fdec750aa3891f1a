package session

import "time"

// window is what a session has sent and the client has not acknowledged: its
// window. Owned by the loop.
type window struct {
	sent  []inFlight // in the order of sending
	bytes int
	full  bool // something did not fit, and nothing has left since

	// In plain mode:
	fresh    bool      // a message was counted in that no cursor ping covers
	unpinged time.Time // when the first of them was sent, or zero
	ping     uint32    // the number of the cursor ping that waits for its pong, or 0
	pinged   []pinged  // what that ping asks for
	asked    time.Time // when that ping was sent
	strays   int       // pongs since then with a payload that no ping had
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

// enter counts a message in. False means that it does not fit; one that is larger
// than the whole window fits when nothing else is in it.
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

// room is how many messages more the window has room for, as far as can be said
// before their size is known.
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

// half says that half of the window is used.
func (s *Session) half() bool {
	f, o := s.window, &s.loop.host.Config
	return 2*len(f.sent) >= o.Window || 2*f.bytes >= o.WindowBytes
}

// takeOut takes out of the window what an acknowledgement covers, and returns how
// many messages that were.
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

// dropWindow gives back the memory of a window in which nothing is left.
func (s *Session) dropWindow() {
	if f := s.window; f != nil && len(f.sent) == 0 && f.ping == 0 {
		s.window = nil
	}
}
