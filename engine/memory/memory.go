// Package memory is an engine that keeps logs and user records in memory. They are lost
// when the process exits. It is for channels that need no persistence, for tests and
// for programs that want no files.
//
// The records of all channels share a byte budget. When it is exceeded, the oldest
// records are removed first, whatever their channel, and readers see them as lost, as
// with any retention limit. Timers are counted and kept, up to half of the budget. User
// records and heads of channels are not counted: they are small and must be kept.
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

// DefaultMaxBytes is the budget if Options.MaxBytes is 0.
const DefaultMaxBytes = 256 << 20

// Options configures an Engine. The zero value works.
type Options struct {
	// MaxBytes is the budget for records and remembered IDs over all channels,
	// bookkeeping included; 0 means DefaultMaxBytes.
	MaxBytes int64
	// Base is the sequence after which the sequences of every channel start. With a base
	// that grows from run to run sequences never repeat, so that a position a client
	// kept from an earlier run hides no message. It is the head of a channel without
	// writes, and everything up to it counts as lost: a reader that continues at a
	// sequence of an earlier run gets a page with Lost.
	Base uint64
	// Now is the wall clock, which may jump. Elapsed is the time since a fixed moment,
	// which does not. If both are nil, the system's clocks are used; if only Elapsed is
	// nil, it is derived from Now.
	Now     func() time.Time
	Elapsed func() time.Duration
	Logger  *slog.Logger // nil: slog.Default()
}

// Engine is an engine.Engine in memory. All methods are safe for concurrent use.
// It starts no goroutine: expired records are removed by the next call.
type Engine struct {
	// static after construction
	maxBytes int64
	clock    *clock.Clock
	now      func() int64 // the time by which records expire, in ms since the epoch
	epoch    string

	// order is held by an append until it has called the watchers, so that they get
	// records in order. It is taken before mu.
	order sync.Mutex

	mu struct {
		sync.Mutex
		closed  bool
		base    uint64 // everything up to it is lost
		bytes   int64  // of records and memos
		logs    map[string]*log
		oldest  list      // every node, in the order of the appends
		due     deadlines // every node that has a deadline
		memos   []*memo   // every remembered ID, oldest first
		users   map[string]*engine.User
		members map[string]map[string]struct{} // channel → users
		timers  timers
	}
}

var _ engine.Engine = (*Engine)(nil)

// New returns an empty engine.
func New(o Options) *Engine {
	e := &Engine{maxBytes: o.MaxBytes, epoch: rand.Text()}
	if e.maxBytes <= 0 {
		e.maxBytes = DefaultMaxBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	e.clock = clock.New(clock.Source{Wall: o.Now, Elapsed: o.Elapsed}, time.Time{}, o.Logger)
	e.now = func() int64 { return e.clock.Now().UnixMilli() }
	e.mu.base = o.Base
	e.mu.logs = make(map[string]*log)
	e.mu.users = make(map[string]*engine.User)
	e.mu.timers.named = make(map[timerName]*timer)
	e.mu.members = make(map[string]map[string]struct{})
	e.mu.oldest.init()
	return e
}

// Epoch implements engine.Engine.
func (e *Engine) Epoch() string { return e.epoch }

// Clock returns the clock by which the engine's records expire.
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
	e.mu.timers = timers{}
	e.mu.oldest.init()
	return nil
}

// enter locks the engine for one call and removes what has expired, so that the call
// sees only live records. Nothing here waits, so a context matters only if it is done
// before the call. The caller unlocks, even after an error.
func (e *Engine) enter(ctx context.Context) (now int64, err error) {
	e.mu.Lock()
	if e.mu.closed {
		return 0, engine.ErrClosed
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	now = e.now()
	e.expireLocked(now)
	return now, nil
}
