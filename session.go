package wirepost

import (
	"time"

	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/wire"
)

// mode is how a session speaks.
type mode uint8

const (
	modePlain mode = iota
	modeV1
)

func (m mode) String() string {
	if m == modeV1 {
		return wire.ProtocolV1
	}
	return "plain"
}

// session is one client connection of a user. It belongs to one loop, which alone
// touches everything below "owned by the loop", and it implements conn.Handler.
type session struct {
	// Static.
	srv  *Server
	loop *loop
	user *user
	info Session
	mode mode

	device *device // guarded by user.mu

	// Owned by the loop.
	conn     conn.Conn // nil until attached
	identity *Identity
	subs     []*subscription
	window   window
	timer    conn.Timer
	pings    pings
	jobs     jobs
	early    []func() // posted before the connection was attached
	expires  time.Time
	dirty    bool // in loop.dirty
	blocked  bool // waiting for Drained
	reading  bool // a page is being read from an engine
	ending   bool // Close was called: nothing more is sent
	closed   bool
}

// subscription is a session's place in a channel. Owned by the loop once the
// session is attached.
type subscription struct {
	session  *session
	feed     *feed
	follower *follower
	index    int // in follower.subs

	cursor  uint64 // the last sequence sent, or passed over
	pinged  uint64 // cursor at the time of the outstanding cursor ping
	lostAt  uint64 // with lost: the cursor behind which messages are missing
	lost    bool   // a gap is to be told before the next message
	stored  bool   // acknowledgements are stored
	granted bool   // a membership, by the backend or by the token
	// state is the newest read mark that the client has not been told.
	state *wire.State
	told  uint64 // the read mark in the newest state
}

func (s *session) subscription(channel string) *subscription {
	for _, sub := range s.subs {
		if sub.feed.channel == channel {
			return sub
		}
	}
	return nil
}

// markDirty has the session flushed at the end of this turn. On the loop.
func (s *session) markDirty() {
	if !s.dirty {
		s.dirty = true
		s.loop.dirty = append(s.loop.dirty, s)
	}
}

// do runs fn on the session's loop, once the connection is attached and unless it
// has ended.
func (s *session) do(fn func()) {
	s.loop.post(func() {
		switch {
		case s.closed:
		case s.conn == nil:
			s.early = append(s.early, fn)
		default:
			fn()
		}
	})
}

// attach begins the session on its loop, when the 101 has been sent.
func (s *session) attach(c conn.Conn, hello *wire.Hello) {
	s.conn = c
	if s.mode == modeV1 {
		s.send(textFrame(hello))
	}
	for _, sub := range s.subs {
		sub.feed.follow(sub)
	}
	s.armTimer()
	s.markDirty()
	for _, fn := range s.early {
		fn()
	}
	s.early = nil
}

// send writes one frame past the window: an answer, a notice.
func (s *session) send(frame []byte) {
	if s.ending {
		return
	}
	if s.conn.Unsent() > maxUnsent {
		s.end(wire.CloseTooMuch, "too much output waits to be read")
		return
	}
	if !s.conn.Write(frame) {
		s.blocked = true
	}
}

// maxUnsent bounds the answers and notices that wait for a client that does not
// read, in bytes.
const maxUnsent = 1 << 20

// Drained implements conn.Handler.
func (s *session) Drained() {
	s.blocked = false
	s.markDirty()
	s.throttle()
}

// Message implements conn.Handler.
func (s *session) Message(binary bool, payload []byte) {
	switch {
	case s.ending:
	case s.mode == modeV1 && binary:
		s.end(wire.CloseUnsupported, "wirepost.v1 has no binary frames")
	case s.mode == modeV1:
		s.command(payload)
	default:
		s.plainMessage(binary, payload)
	}
	s.throttle()
}

// throttle stops reading from a client while it has enough to wait for.
func (s *session) throttle() {
	if s.jobs.full() || s.conn.Unsent() > maxUnsent/4 {
		s.conn.PauseRead()
	} else {
		s.conn.ResumeRead()
	}
}

// end closes the connection; in wirepost.v1 a bye goes before the close frame.
func (s *session) end(code int, reason string) { s.bye(code, reason, 0) }

func (s *session) bye(code int, reason string, retryAfter time.Duration) {
	if s.ending {
		return
	}
	if s.mode == modeV1 {
		s.conn.Write(textFrame(wire.Bye{
			Type: "bye", Code: code, Reason: reason, RetryAfterMS: retryAfter.Milliseconds(),
		}))
	}
	s.ending = true
	s.conn.Close(code, reason)
}

// retire ends the session because the server restarts.
func (s *session) retire(retryAfter time.Duration) {
	s.do(func() { s.bye(wire.CloseRestart, "restart", retryAfter) })
}

// Closed implements conn.Handler.
func (s *session) Closed(e conn.Ending) {
	s.closed, s.ending = true, true
	s.loop.Disarm(&s.timer)
	for _, sub := range s.subs {
		if sub.follower != nil {
			sub.feed.unfollow(sub)
		}
	}
	s.srv.metrics.closed(e.Code)
	s.jobs.stop()
	subs := s.subs
	s.subs, s.window, s.early = nil, window{}, nil
	s.jobs.add(s, func() { s.leave(subs, Ending{Code: e.Code, Reason: e.Reason}) })
}

// leave gives back what the session held. It is the session's last job, so it
// runs behind every callback.
func (s *session) leave(subs []*subscription, e Ending) {
	s.release(subs)
	if s.srv.opts.OnDisconnect != nil {
		s.srv.guard("OnDisconnect", func() { s.srv.opts.OnDisconnect(s.info, e) })
	}
}

// release gives back the references of a session that has ended, or never began.
func (s *session) release(subs []*subscription) {
	for _, sub := range subs {
		s.srv.feeds.release(sub.feed)
	}
	s.user.removeSession(s)
	s.user.disconnectDevice(s.device)
	s.srv.saver.later(s.user)
	s.srv.users.release(s.user)
	s.srv.connections.Add(-1)
}
