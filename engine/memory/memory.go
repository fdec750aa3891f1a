// Package memory is an engine that keeps logs and user records in memory. They are
// gone when the process ends. It is for channels that need no more, for tests and
// for programs that want no files.
//
// The records of all channels share a byte budget. When it is exceeded, the oldest
// records are removed first, whatever their channel, and readers see that as the loss
// that any retention causes. User records and heads of channels are not counted: they
// are small and must not be forgotten.
package memory

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/clock"
)

// DefaultMaxBytes is the budget when Options names none.
const DefaultMaxBytes = 256 << 20

// Options configures an Engine. The zero value works.
type Options struct {
	// MaxBytes is the budget for records and remembered IDs over all channels,
	// bookkeeping included; 0 means DefaultMaxBytes.
	MaxBytes int64
	// Base is what the sequences of every channel come after. With a base that grows
	// from run to run sequences never repeat, so that what a client remembers of an
	// earlier run does not hide anything. It is the head of a channel that was not
	// written to, and everything up to it counts as lost: a reader that continues at a
	// sequence of an earlier run gets a page with Lost.
	Base uint64
	// Now and Elapsed are the clocks of the system: the wall clock, which may jump, and
	// the time since some moment, which does not. nil: the system's, or Elapsed as Now
	// has it.
	Now     func() time.Time
	Elapsed func() time.Duration
	Logger  *slog.Logger // nil: slog.Default()
}

// Engine is an engine.Engine in memory. All methods are safe for concurrent use.
// It starts no goroutine: what has expired is removed by the next call.
type Engine struct {
	// static after construction
	maxBytes int64
	base     uint64
	clock    *clock.Clock
	epoch    string

	// order is held by an append until it has called the watchers, so that they get
	// records in order. It is taken before mu.
	order sync.Mutex

	mu struct {
		sync.Mutex
		closed  bool
		bytes   int64 // of records and memos
		logs    map[string]*log
		oldest  list      // every node, in the order of the appends
		due     deadlines // every node that has a deadline
		memos   []*memo   // every remembered ID, oldest first
		users   map[string]*engine.User
		members map[string]map[string]struct{} // channel → users
	}
}

var _ engine.Engine = (*Engine)(nil)

// New returns an empty engine.
func New(o Options) *Engine {
	e := &Engine{maxBytes: o.MaxBytes, base: o.Base, epoch: rand.Text()}
	if e.maxBytes <= 0 {
		e.maxBytes = DefaultMaxBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	e.clock = clock.New(clock.Source{Wall: o.Now, Elapsed: o.Elapsed}, time.Time{}, o.Logger)
	e.mu.logs = make(map[string]*log)
	e.mu.users = make(map[string]*engine.User)
	e.mu.members = make(map[string]map[string]struct{})
	e.mu.oldest.init()
	return e
}

// Epoch implements engine.Engine.
func (e *Engine) Epoch() string { return e.epoch }

// Clock is the clock by which the engine's records expire.
func (e *Engine) Clock() *clock.Clock { return e.clock }

// Close implements engine.Engine.
func (e *Engine) Close() error {
	e.order.Lock()
	defer e.order.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.closed {
		return engine.ErrClosed
	}
	e.mu.closed = true
	e.mu.logs, e.mu.users, e.mu.members, e.mu.memos, e.mu.due = nil, nil, nil, nil, nil
	e.mu.oldest.init()
	return nil
}

// enter locks the engine for one call and removes what has expired, so that the
// call sees live records only. Nothing here waits, so a context matters only when it
// has ended before the call. The caller unlocks, also when it gets an error.
func (e *Engine) enter(ctx context.Context) (now int64, err error) {
	e.mu.Lock()
	if e.mu.closed {
		return 0, engine.ErrClosed
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	now = e.clock.Now().UnixMilli()
	e.expireLocked(now)
	return now, nil
}
