// Package apply follows the log of a shard, and applies its batches to the replica of this
// node.
//
// The way of an entry: Run follows the log once the replica and the log are known to agree
// (check.go), decodes each entry, has the note decide whether its batch counts, gives it to
// the replica (apply.go), and has the proposer complete the calls of this node that are in
// it. A replica that cannot go on stops, for good or until the cause is gone, and does not
// diverge (state.go).
package apply

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
	"github.com/wirepost/wirepost/engine/cluster/internal/pause"
	"github.com/wirepost/wirepost/engine/cluster/internal/propose"
	"github.com/wirepost/wirepost/engine/cluster/internal/replog"
	"github.com/wirepost/wirepost/engine/memory"
)

const (
	// followPause is the pause after the log could not be followed.
	followPause = 100 * time.Millisecond
	// resumePause is the pause after the replica could not go on, for a reason that may
	// pass.
	resumePause = time.Second
)

// Follower follows the log of one shard. Its methods are safe for concurrent use, except
// Run, of which there is one call.
type Follower struct {
	o        Options
	proposer *propose.Proposer

	// Owned by Run.
	note   note.Note
	recent note.Recent
	short  time.Time // since when the log has been too short; zero: it is not

	mu         sync.Mutex
	applied    Applied
	stopped    error // the replica cannot go on; nil: it can
	paused     error // the replica cannot go on for now; nil: it can
	pauses     int   // how often it was found that it cannot
	repairing  repairing
	known      known // before the repair
	unfollowed error // the log cannot be followed; nil: it can
	behind     bool  // the replica has not caught up with the log yet
	fatal      error // why the replica has to stop; nil: it has not
	restart    context.CancelCauseFunc
	ahead      lag
	furthest   sight // the last position that another node has
}

// Options configures a Follower.
type Options struct {
	Shard   int
	Node    string
	Cluster string // its name
	Shards  int    // of it
	Epoch   string // of it
	Level   int    // of the operations that this node knows
	Log     replog.Log
	Logger  *slog.Logger
	Replica engine.Replica
	Memory  *memory.Replica // the replica, if the shard is that of memory-only channels
	Hooks
}

// Hooks are the functions that a Follower calls. None may block or call it.
type Hooks struct {
	Users     func(updates []engine.Update, own bool) // with what a batch changes of users
	Count     func(bytes int, took time.Duration)     // after each batch
	Following func()                                  // when it begins to follow the log
	Changed   func()                                  // when State changes
	Stopped   func(err error)                         // when the replica has stopped for good
}

// Applied is what the replica has applied, as the last batch left it.
type Applied struct {
	propose.Applied
	Size uint64 // bytes of all entries up to there
	Time int64
}

// New returns a follower, and the proposer whose batches it completes. Options of the latter
// that both have, and Recheck, are set here.
func New(o Options, p propose.Options) (*Follower, *propose.Proposer, error) {
	f, err := load(o)
	if err != nil {
		return nil, nil, err
	}
	p.Shard, p.Epoch, p.Log, p.Logger, p.Changed, p.Recheck = o.Shard, o.Epoch, o.Log, o.Logger, o.Changed, f.Refollow
	p.Loose = o.Memory != nil
	f.proposer = propose.New(p, f.applied.Applied)
	return f, f.proposer, nil
}

// Reaches returns an error if the log cannot be followed from the replica to the present, as
// far as is known before it is followed. A replica that has applied nothing has none.
func Reaches(ctx context.Context, o Options) error {
	f, err := load(o)
	if err != nil || f.note.Epoch == "" {
		return err
	}
	_, _, _, err = f.check(ctx, f.applied.Position)
	return err
}

func load(o Options) (*Follower, error) {
	at, now, data := o.Replica.Applied(o.Shard)
	known, err := note.Decode(data)
	if err != nil {
		return nil, err
	}
	f := &Follower{o: o, note: known, behind: true}
	f.mirrorLocked(at, now)
	return f, nil
}

// Run applies the entries of the shard until ctx is done, or one cannot be applied.
func (f *Follower) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := f.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := followPause
		switch {
		case errors.Is(err, errRefollow):
			continue
		case errors.As(err, new(*stopError)):
			f.halt(err)
			return
		case errors.As(err, new(*pauseError)):
			f.pause(err)
			wait = resumePause
		default:
			f.setUnfollowed(err)
		}
		if pause.For(ctx, wait) != nil {
			return
		}
	}
}

// errRefollow ends a call of Follow, so that the log is checked again.
var errRefollow = errors.New("follow the log again")

// Refollow has the log checked again, and followed from the position of the replica.
func (f *Follower) Refollow() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.restart != nil {
		f.restart(errRefollow)
	}
}

// Stop stops the replica for good.
func (f *Follower) Stop(err error) {
	f.mu.Lock()
	f.fatal = &stopError{err}
	f.mu.Unlock()
	f.Refollow()
}

// follow follows the log from the position of the replica.
func (f *Follower) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f.mu.Lock()
	f.restart = cancel
	fatal := f.fatal
	f.mu.Unlock()
	if fatal != nil {
		return fatal
	}
	at, now, data := f.o.Replica.Applied(f.o.Shard)
	var err error
	if f.note, err = note.Decode(data); err != nil {
		return &stopError{err}
	}
	at, first, last, err := f.check(ctx, at)
	if err != nil {
		return err
	}
	through, err := f.stage(ctx, at, last)
	if err != nil {
		return err
	}
	f.recent.Reset(at, f.note.History)
	if through == math.MaxUint64 {
		f.following(at, now, last)
	}
	for entry, err := range f.o.Log.Follow(ctx, f.o.Shard, at) {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, replog.ErrTrimmed) && f.o.Memory == nil:
			return stopped("%w: it begins at %d, and this replica is at %d", replog.ErrTrimmed, first, at)
		case err != nil:
			return err
		case entry.Position != at+1:
			return stopped("the log has a hole: %d follows %d", entry.Position, at)
		}
		began := time.Now()
		f.proposer.Arrive()
		now = max(now, entry.Time)
		if err := f.apply(ctx, &entry, now); err != nil {
			return err
		}
		at = entry.Position
		f.advance(at, now, last)
		f.o.Count(len(entry.Data), time.Since(began))
		if at >= through {
			return errRepairing
		}
	}
	return context.Cause(ctx)
}
