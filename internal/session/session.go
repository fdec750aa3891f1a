package session

import (
	"sync/atomic"
	"time"
	"unique"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/wire"
)

// Session is one client connection of a user. It belongs to one loop, which owns
// everything below "owned by the loop", and implements conn.Handler.
//
// There may be a hundred thousand idle sessions: state that only a busy session needs
// is allocated separately.
type Session struct {
	// Static.
	loop       *Loop
	user       *user.User
	device     string
	agent      unique.Handle[string]
	since      int64 // ms since the epoch
	connection names.ConnectionID
	address    Address
	issued     user.Issued // owned by the loop
	mode       codec.Mode
	protocol   uint8       // 1 more than its index in Options.Subprotocols; 0 for none
	accepted   bool        // by OnConnect, if set: OnDisconnect will be called
	begun      bool        // counted in Host.Attached
	page       int32       // owned by the loop: bytes of a page that the client has not taken
	mute       atomic.Bool // the client's pongs lack the payload of the ping

	// Owned by the loop.
	dirty    bool      // in loop.dirty
	blocked  bool      // waiting for Drained
	reading  bool      // a page is being read from an engine
	ending   bool      // it has left (see leave): nothing more is sent
	pings    uint8     // the number of the last ping, never 0
	admitted bool      // Hooks.Began was called: Hooks.Ended will be; written before the session is attached
	asked    uint16    // low bits of the time of the last cursor ping, see askedNow; 0: none yet
	taken    uint32    // low bits of the output that the client had acknowledged at the second ping
	conn     conn.Conn // nil until attached
	expires  int64     // of the identity, in ms since the epoch; 0: never
	// identity is written by the loop; nil in plain mode, unless it may be needed.
	identity atomic.Pointer[access.Identity]
	subs     []*subscription
	window   *window // nil if all messages are acknowledged
	timer    conn.Timer
	beat     time.Duration // of the last heartbeat ping, since loop.epoch
	work     *work         // nil until needed

	// first is storage for the two subscriptions of every session. Few large
	// allocations that live as long as the session leave fewer holes in the heap.
	first struct {
		subs [2]subscription
		list [2]*subscription
	}
}

// Mode is how the client is served.
func (s *Session) Mode() codec.Mode { return s.mode }

// Device implements user.Conn.
func (s *Session) Device() string { return s.device }

// User implements feed.Subscriber.
func (s *Session) User() string { return s.user.Name() }

// notice frames an object of the protocol for the client.
func (s *Session) notice(object any) []byte { return s.mode.Codec().Notice(wire.Encode(object)) }

func (s *Session) summary() Summary {
	return Summary{Connection: s.connection, User: s.user.Name(), Device: s.device, Since: s.since}
}

// Info describes the session.
func (s *Session) Info() Info {
	i := Info{
		Connection: s.connection.String(), User: s.user.Name(), Device: s.device, Since: s.since,
		Address: s.address.String(), Agent: s.agent.Value(), Mode: s.mode.Codec().Name(),
		Protocol: s.loop.host.Subprotocol(s.protocol), NoAcks: s.mute.Load(),
	}
	if id := s.identity.Load(); id != nil {
		i.Data = id.Data
	}
	return i
}

func (s *Session) subscription(channel string) *subscription {
	for _, sub := range s.subs {
		if sub.Feed.Channel() == channel {
			return sub
		}
	}
	return nil
}

// MarkDirty schedules the session to be flushed at the end of this turn. On the loop.
func (s *Session) MarkDirty() {
	if !s.dirty {
		s.dirty = true
		s.loop.dirty = append(s.loop.dirty, s)
	}
}

// do runs fn on the session's loop, once the connection is attached, unless the session
// has started to close.
func (s *Session) do(fn func()) { s.loop.Do(func() { s.doNow(fn) }) }

// doNow is do, on the loop.
func (s *Session) doNow(fn func()) {
	switch {
	case s.ending:
	case s.conn == nil:
		s.theWork().early = append(s.theWork().early, fn)
	default:
		fn()
	}
}

// In returns the sessions of connections.
func In(conns []user.Conn) []*Session {
	sessions := make([]*Session, len(conns))
	for i, c := range conns {
		sessions[i] = c.(*Session)
	}
	return sessions
}
