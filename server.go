package wirepost

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
)

// Server pushes messages to users and channels. It is an http.Handler that
// accepts WebSocket connections. All methods are safe for concurrent use.
//
// Who makes a Server owes it a call of Shutdown, and closes the engine after that.
type Server struct {
	// Static.
	opts     Options
	policies policies
	engine   engine.Engine
	memory   engine.Engine // of the memory-only channels
	logger   *slog.Logger
	loops    []*loop
	feeds    *feeds
	users    *users
	saver    *saver
	pages    *pageReaders
	limits   *limits
	metrics  *metrics
	started  time.Time

	nextLoop    atomic.Uint32
	connections atomic.Int64 // sessions that count as online
	echoes      echoes
	responses   atomic.Int64 // requests that are answered by a session
	draining    atomic.Bool
	stopped     chan struct{} // closed when Shutdown is done
	stopOnce    sync.Once

	// work counts the callbacks and commands of sessions that are under way.
	work sync.WaitGroup
	// ctx ends when Shutdown is nearly done; callbacks get it.
	ctx    context.Context
	cancel context.CancelFunc
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
	s := &Server{
		opts: o, policies: ps, engine: o.Engine, memory: memory.New(memory.Options{}),
		logger: o.Logger, started: time.Now(), stopped: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.limits = newLimits(&s.opts)
	s.feeds = newFeeds(s)
	s.users = newUsers(s.engine)
	s.saver = newSaver(s.users, s.logger)
	s.metrics = newMetrics(s)
	s.pages = newPageReaders(2 * o.Loops)
	for range o.Loops {
		s.loops = append(s.loops, newLoop(s))
	}
	return s, nil
}

// Ready says whether the server takes work: an *Error with Unavailable once
// Shutdown began.
func (s *Server) Ready() error {
	if s.draining.Load() {
		return errDraining
	}
	return nil
}

// MaxMessage is the limit for a message's data, in bytes.
func (s *Server) MaxMessage() int { return s.opts.MaxMessage }

// Shutdown drains the server: pushes and new connections are refused from now on,
// every session is told bye and closed with 1012, and what they acknowledged is
// saved. It returns when all that is done, or as soon as possible after ctx has
// ended, with its error; connections that were still open then are cut.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	var err error
	s.stopOnce.Do(func() {
		s.users.each(func(u *user) {
			for _, ses := range u.online() {
				ses.retire(retrySpread())
			}
		})
		s.echoes.retire()
		err = wait(ctx, func() bool { return s.connections.Load() == 0 && s.echoes.len() == 0 })
		s.cancel()
		s.cutResponses()
		for _, l := range s.loops {
			l.Close()
		}
		s.work.Wait()
		s.pages.close()
		s.saver.close()
		s.feeds.warm.close()
		s.users.warm.close()
		s.memory.Close() //nolint:errcheck // it is memory
		close(s.stopped)
	})
	<-s.stopped
	return err
}

// retrySpread is when a client that was told bye may come back, so that not all
// of them come at once.
func retrySpread() time.Duration {
	return time.Second/2 + rand.N(5*time.Second)
}

// cutResponses waits until the responses have noticed that the server's context
// ended.
func (s *Server) cutResponses() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	wait(ctx, func() bool { return s.responses.Load() == 0 }) //nolint:errcheck // one that is stuck must not hold up the rest
}

// wait returns when something is done, or with ctx's error.
func wait(ctx context.Context, done func() bool) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return nil
}

// pickLoop spreads sessions over the loops.
func (s *Server) pickLoop() *loop {
	return s.loops[int(s.nextLoop.Add(1))%len(s.loops)]
}
