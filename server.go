package wirepost

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/internal/clock"
	"github.com/wirepost/wirepost/internal/count"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/gateway"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/user"
)

// Server pushes messages to users and channels. It is an http.Handler that
// accepts WebSocket connections. All methods are safe for concurrent use.
//
// Who makes a Server owes it a call of Shutdown, and closes the engine after that.
type Server struct {
	// Static.
	opts    Options
	host    *session.Host // what sessions share
	gateway *gateway.Gateway
	engine  engine.Engine
	memory  engine.Engine // of the memory-only channels
	logger  *slog.Logger
	started time.Time

	hinted   atomic.Bool // see hintInbox
	draining atomic.Bool
	stopped  chan struct{} // closed when Shutdown is done
	stopOnce sync.Once
	cut      bool // written before stopped is closed: not every connection ended by itself

	// cancel ends host.Base, when Shutdown is nearly done.
	cancel context.CancelFunc
	// urgent ends when a caller of Shutdown has no more time.
	urgent context.Context
	hurry  context.CancelFunc
}

var errDraining = publicError(gateway.ErrDraining)

// New makes a server and starts its loops. The error, if any, is an *OptionError.
func New(o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	policies, err := o.newPolicies()
	if err != nil {
		return nil, err
	}
	if err := claimEngine(o.Engine); err != nil {
		return nil, err
	}
	s := &Server{opts: o, engine: o.Engine, logger: o.Logger, started: time.Now(), stopped: make(chan struct{})}
	now := clockOf(o.Engine, o.Logger)
	base := memoryBase(now.Now())
	s.memory = memory.New(memory.Options{
		MaxBytes: int64(o.ChannelMemory), Base: base, Now: now.Now, Logger: o.Logger,
	})
	feeds := feed.New(feed.Config{
		Durable: s.engine, Memory: s.memory, MemoryOnly: policies.MemoryOnly, TailMemory: o.TailMemory,
	})
	users := user.New(user.Config{
		Store: s.engine, LogOf: feeds.LogOf, AllInMemory: policies.MemoryOnly(All), Logger: o.Logger,
	})
	s.host = &session.Host{
		Config: o.session(), Users: users, Feeds: feeds, Pages: feed.NewReaders(2*o.Loops, o.PageMemory),
		Policies: policies, Clock: now, Counters: new(count.Counters), Logger: o.Logger,
		Hooks: s.sessionHooks(), Epoch: s.engine.Epoch(), MemoryBase: base,
	}
	s.host.Base, s.cancel = context.WithCancel(context.Background())
	s.urgent, s.hurry = context.WithCancel(context.Background())
	s.gateway = gateway.New(s.host, gateway.Config{
		Hooks: s.gatewayHooks(), AllowOrigins: o.AllowOrigins, Compress: o.Compress, LogRefusals: o.LogRefusals, Loops: o.Loops,
		MaxConnections: o.MaxConnections, MaxAddressConnections: o.MaxAddressConnections, HandshakeRate: o.HandshakeRate,
	})
	return s, nil
}

// ServeHTTP upgrades a request to a client connection, which then speaks as
// docs/protocol.md says. Every refusal is a plain HTTP error, before the upgrade.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.gateway.ServeHTTP(w, r) }

// Events is for clients that a proxy keeps from WebSockets: an endless stream of
// Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
// The data of each is an object of wirepost.v1; its ID is a cursor over all
// channels, and to come back with it as Last-Event-ID acknowledges and resumes.
// Tokens, limits and the query are those of ServeHTTP.
func (s *Server) Events() http.Handler { return s.gateway.Events() }

// Poll is for clients that can have nothing but plain requests. A GET with
// ?after=CURSOR&wait=25s answers, at once when there is something, and otherwise after
// the wait with an empty list, {"cursor":"…","messages":[…]}; the messages are objects
// of wirepost.v1. To come back with the cursor acknowledges them. Each poll is a
// session of its own; tokens, limits and the rest of the query are those of ServeHTTP.
func (s *Server) Poll() http.Handler { return s.gateway.Poll() }

// Echo answers every message of a WebSocket with itself, whatever its type. There
// is no user and no channel behind it; the server's origins are checked.
func (s *Server) Echo() http.Handler { return s.gateway.Echo() }

// TokenCookie is the cookie that may carry a client's token.
const TokenCookie = gateway.TokenCookie

// claimed are the engines that servers use.
var claimed = struct {
	sync.Mutex
	engines map[engine.Engine]struct{}
}{engines: map[engine.Engine]struct{}{}}

// claimEngine refuses an engine that another server uses: an engine tells one
// watcher of a channel, so each server would miss what the other one stores.
func claimEngine(e engine.Engine) error {
	if !reflect.ValueOf(e).Comparable() {
		return nil // such a value is never the same as another
	}
	claimed.Lock()
	defer claimed.Unlock()
	if _, used := claimed.engines[e]; used {
		return optionError("Engine", "in use by another Server that has not been shut down")
	}
	claimed.engines[e] = struct{}{}
	return nil
}

func releaseEngine(e engine.Engine) {
	if !reflect.ValueOf(e).Comparable() {
		return
	}
	claimed.Lock()
	defer claimed.Unlock()
	delete(claimed.engines, e)
}

// clockOf is the clock of an engine that has one, so that there is one clock for all
// lifetimes; otherwise it is the server's own.
func clockOf(e engine.Engine, log *slog.Logger) *clock.Clock {
	if c, ok := e.(interface{ Clock() *clock.Clock }); ok {
		return c.Clock()
	}
	return clock.New(clock.Source{}, time.Time{}, log)
}

// Now is the time by the server's clock: the system's, without jumps that have not
// lasted for ten minutes.
func (s *Server) Now() time.Time { return s.host.Clock.Wall() }

// memoryBase is what the sequences of memory-only channels come after: the time of
// the start in µs, so that those of the next run come after these (and a number
// that JavaScript can hold).
func memoryBase(start time.Time) uint64 { return uint64(max(0, start.UnixMicro())) }

// Ready says whether the server takes work: nil, or an *Error with CodeUnavailable and
// a message for operators once Shutdown began, and while the engine takes no writes
// (see engine.Health). Whoever sends work to several servers leaves out one that is
// not ready.
func (s *Server) Ready() error {
	if err := s.accepting(); err != nil {
		return err
	}
	return s.storage()
}

// accepting says whether clients may connect: until Shutdown begins, also while the
// engine takes no writes, because reading goes on.
func (s *Server) accepting() error {
	if s.draining.Load() {
		return errDraining
	}
	return nil
}

// Alive says whether the server can go on without a restart: nil, or an *Error when
// the engine has failed for good (engine.ErrFailed). Whoever supervises the process
// starts it anew then.
func (s *Server) Alive() error {
	if err := s.storage(); errors.Is(err, engine.ErrFailed) {
		return err
	}
	return nil
}

// storage is what the engine says of itself.
func (s *Server) storage() error {
	if h, ok := s.engine.(engine.Health); ok {
		if err := h.Ready(); err != nil {
			return AsError(err)
		}
	}
	return nil
}

// MaxMessage is the limit for a message's data, in bytes.
func (s *Server) MaxMessage() int { return s.opts.MaxMessage }
