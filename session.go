package wirepost

import (
	"sync/atomic"
	"time"
	"unique"

	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/wire"
)

// session is one client connection of a user. It belongs to one loop, which alone
// touches everything below "owned by the loop", and it implements conn.Handler.
//
// There may be a hundred thousand idle ones: what only a busy session needs is
// behind a pointer.
type session struct {
	// Static.
	loop       *loop
	user       *user.User
	device     string
	agent      unique.Handle[string]
	since      int64 // ms since the epoch
	connection names.ConnectionID
	address    address
	issued     user.Issued // owned by the loop
	mode       codec.Mode
	protocol   uint8       // 1 more than its index in Options.Subprotocols; 0 for none
	accepted   bool        // by OnConnect, if there is one: OnDisconnect is to be called
	page       int32       // owned by the loop: bytes of a page that the client has not taken
	mute       atomic.Bool // it answers pings without their payload

	// Owned by the loop.
	dirty    bool      // in loop.dirty
	blocked  bool      // waiting for Drained
	reading  bool      // a page is being read from an engine
	ending   bool      // it has left (see leave): nothing more is sent
	pings    uint8     // the number of the last ping, never 0
	taken    uint32    // low bits of what the client had acknowledged of the output when a second ping went out
	conn     conn.Conn // nil until attached
	expires  int64     // of the identity, in ms since the epoch; 0: never
	identity *Identity // nil in plain mode, unless its lists may be needed
	subs     []*subscription
	flight   *flight // nil when nothing waits for an acknowledgement
	timer    conn.Timer
	beat     time.Duration // of the last heartbeat ping, since loop.epoch
	work     *work         // nil until there is some

	// first is room for the two subscriptions that every session has. Few large
	// allocations that live as long as the session leave fewer holes in the heap.
	first struct {
		subs [2]subscription
		list [2]*subscription
	}
}

// Device implements user.Conn.
func (s *session) Device() string { return s.device }

// User implements feed.Subscriber.
func (s *session) User() string { return s.user.Name() }

// notice frames an object of the protocol for the client.
func (s *session) notice(object any) []byte { return s.mode.Codec().Notice(wire.Encode(object)) }

// info describes the session for the application.
func (s *session) info() Session {
	return Session{
		Connection: s.connection.String(), User: s.user.Name(), Device: s.device, Since: s.since,
		Address: s.address.String(), Agent: s.agent.Value(), Mode: s.mode.Codec().Name(),
		Protocol: s.loop.srv.subprotocol(s.protocol), NoAcks: s.mute.Load(),
	}
}

// subscription is a session's place in a channel. Owned by the loop once the
// session is attached.
type subscription struct {
	feed.Subscription
	stored    bool // acknowledgements are stored
	granted   bool // a membership, by the backend or by the token
	requested bool // the client asked for it
	moved     bool // without a WebSocket: the cursor is not the stored one any more

	cursor uint64 // the last sequence sent, or passed over
	news   *news  // nil when there is none
}

// news is what a client is to be told besides the messages.
type news struct {
	lost   bool   // a gap, before the next message
	lostAt uint64 // the cursor behind which messages are missing
	missed bool   // a gap before where the subscription began, at once
	state  *wire.State
	told   uint64 // the read mark in the newest state
}

func (sub *subscription) theNews() *news {
	if sub.news == nil {
		sub.news = new(news)
	}
	return sub.news
}

func (s *session) subscription(channel string) *subscription {
	for _, sub := range s.subs {
		if sub.Feed.Channel() == channel {
			return sub
		}
	}
	return nil
}

// MarkDirty has the session flushed at the end of this turn. On the loop.
func (s *session) MarkDirty() {
	if !s.dirty {
		s.dirty = true
		s.loop.dirty = append(s.loop.dirty, s)
	}
}

// do runs fn on the session's loop, once the connection is attached and unless its
// end has begun.
func (s *session) do(fn func()) { s.loop.post(func() { s.doNow(fn) }) }

// doNow is do, on the loop.
func (s *session) doNow(fn func()) {
	switch {
	case s.ending:
	case s.conn == nil:
		s.theWork().early = append(s.theWork().early, fn)
	default:
		fn()
	}
}

// attach begins the session on its loop, with its hello if there is to be one.
func (s *session) attach(c conn.Conn, hello []byte) {
	s.conn = c
	if hello != nil {
		s.send(s.mode.Codec().Notice(hello))
	}
	for _, sub := range s.subs {
		sub.Feed.Follow(&sub.Subscription, s.loop.waker)
	}
	s.armTimer()
	s.MarkDirty()
	if s.work != nil {
		early := s.work.early
		s.work.early = nil
		for _, fn := range early {
			s.doNow(fn)
		}
	}
}

// send writes one frame past the window: an answer, a notice.
func (s *session) send(frame []byte) {
	if s.ending {
		return
	}
	if s.conn.Unsent() > maxUnsent+s.loop.largestBatch() {
		s.end(wire.CloseTooMuch, "too much output waits to be read")
		return
	}
	if !s.conn.Write(frame) {
		s.blocked = true
	}
}

// maxUnsent bounds the answers and notices that wait for a client that does not
// read, in bytes, besides the messages of one batch.
const maxUnsent = 1 << 20

// Drained implements conn.Handler.
func (s *session) Drained() {
	s.blocked = false
	s.releasePage()
	s.MarkDirty()
	s.throttle()
	s.acknowledgeLater()
	if f := s.flight; f != nil && !f.unpinged.IsZero() {
		s.armTimer()
	}
}

// Message implements conn.Handler.
func (s *session) Message(binary bool, payload []byte) {
	switch {
	case s.ending || !s.mayAlso(len(payload)):
	case s.mode == codec.V1 && binary:
		s.end(wire.CloseUnsupported, "wirepost.v1 has no binary frames")
	case s.mode == codec.V1:
		s.command(payload)
	default:
		s.plainMessage(binary, payload)
	}
	s.throttle()
}

// Ping implements conn.Handler.
func (s *session) Ping(payload []byte) {
	if !s.ending {
		s.mayAlso(len(payload))
	}
}

// throttle stops reading from a client while it has enough to wait for.
func (s *session) throttle() {
	if s.work != nil && s.work.full() || s.conn.Unsent() > maxUnsent/4 {
		s.conn.PauseRead()
	} else {
		s.conn.ResumeRead()
	}
}

// sessionsIn are the sessions that a user's connections are.
func sessionsIn(conns []user.Conn) []*session {
	sessions := make([]*session, len(conns))
	for i, c := range conns {
		sessions[i] = c.(*session)
	}
	return sessions
}

// sessionsOf returns the sessions of a user.
func (s *Server) sessionsOf(name string) []*session { return sessionsIn(s.users.ConnsOf(name)) }

// start is where the subscription of a member begins. The cursor may be ahead of the
// feed, see feed.Clamp.
func (s *session) start(f *feed.Feed) uint64 {
	if f.MemoryOnly() {
		return f.Head()
	}
	return s.user.Start(s.device, f.Channel(), f.Head())
}
