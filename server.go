package wirepost

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/internal/clock"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/origin"
	"github.com/wirepost/wirepost/internal/user"
)

// Server pushes messages to users and channels. It is an http.Handler that
// accepts WebSocket connections. All methods are safe for concurrent use.
//
// Who makes a Server owes it a call of Shutdown, and closes the engine after that.
type Server struct {
	// Static.
	opts     Options
	policies policies
	origins  origin.Patterns // that pages may connect from
	engine   engine.Engine
	memory   engine.Engine // of the memory-only channels
	// memoryBase is what its sequences come after.
	memoryBase uint64
	clock      *clock.Clock
	logger     *slog.Logger
	loops      []*loop
	feeds      *feed.Feeds
	users      *user.Users
	pages      *feed.Readers
	limits     *limits
	metrics    *metrics
	started    time.Time

	nextLoop   atomic.Uint32
	unreleased atomic.Int64 // sessions that hold something, also those that have left
	echoes     echoes
	responses  atomic.Int64 // requests that are answered by a session
	draining   atomic.Bool
	stopped    chan struct{} // closed when Shutdown is done
	stopOnce   sync.Once
	wrappers   sync.Map // of the ResponseWriters that were logged, see needs
	cut        bool     // written before stopped is closed: not every connection ended by itself

	// attached counts the sessions that were accepted and have a connection still, or
	// are to get one; jobs the goroutines that run commands and callbacks of sessions.
	attached, jobs atomic.Int64
	hinted         atomic.Bool // see hintInbox
	// ctx ends when Shutdown is nearly done; callbacks get it.
	ctx    context.Context
	cancel context.CancelFunc
	// urgent ends when a caller of Shutdown has no more time.
	urgent context.Context
	hurry  context.CancelFunc
}

var errDraining = &Error{Code: Unavailable, Message: "the server is shutting down", RetryAfter: 2 * time.Second}

// New makes a server and starts its loops. It fails only on options that make no
// sense, with an *Error that names the field.
func New(o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	ps, err := newPolicies(o.Channels)
	if err != nil {
		return nil, err
	}
	if err := claimEngine(o.Engine); err != nil {
		return nil, err
	}
	s := &Server{
		opts: o, policies: ps, origins: origin.ParsePatterns(o.AllowOrigins), engine: o.Engine, clock: clockOf(o.Engine, o.Logger),
		logger: o.Logger, started: time.Now(), stopped: make(chan struct{}),
	}
	s.memoryBase = memoryBase(s.clock.Now())
	s.memory = memory.New(memory.Options{
		MaxBytes: int64(o.ChannelMemory), Base: s.memoryBase, Now: s.clock.Now, Logger: o.Logger,
	})
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.urgent, s.hurry = context.WithCancel(context.Background())
	s.limits = newLimits(&s.opts)
	s.feeds = feed.New(feed.Config{
		Durable: s.engine, Memory: s.memory, TailMemory: o.TailMemory,
		MemoryOnly: func(channel string) bool { return s.policies.of(channel).MemoryOnly },
	})
	s.users = user.New(user.Config{
		Store: s.engine, LogOf: s.feeds.LogOf, AllInMemory: s.policies.of(All).MemoryOnly, Logger: s.logger,
	})
	s.metrics = newMetrics(s)
	s.pages = feed.NewReaders(2*o.Loops, o.PageMemory)
	for range o.Loops {
		s.loops = append(s.loops, newLoop(s))
	}
	return s, nil
}

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
		return fieldError("Engine", "is in use by another Server, whose Shutdown has not ended")
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
func (s *Server) Now() time.Time { return s.clock.Wall() }

// memoryBase is what the sequences of memory-only channels come after: the time of
// the start in µs, so that those of the next run come after these (and a number
// that JavaScript can hold).
func memoryBase(start time.Time) uint64 { return uint64(max(0, start.UnixMicro())) }

// Ready says whether the server takes work: nil, or an *Error with Unavailable and
// a message for operators once Shutdown began, and while the engine takes no writes
// (see engine.Health). Whoever sends work to several servers leaves out one that is
// not ready.
func (s *Server) Ready() error {
	if s.draining.Load() {
		return errDraining
	}
	return s.storage()
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

// pickLoop spreads sessions over the loops.
func (s *Server) pickLoop() *loop {
	return s.loops[int(s.nextLoop.Add(1))%len(s.loops)]
}
