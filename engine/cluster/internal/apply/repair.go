package apply

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
	"github.com/wirepost/wirepost/engine/cluster/internal/pause"
	"github.com/wirepost/wirepost/engine/cluster/internal/replog"
)

// repairing is a stage of a repair, during which a shard applies nothing else.
type repairing int

const (
	notRepairing repairing = iota
	settling               // it applies what is in the log, as far as it agrees
	renewing               // it waits for the genesis
)

// errRepairing stops a shard during a repair.
var errRepairing = &pauseError{fmt.Errorf("%w: it is being repaired", errLost)}

// A repair makes the log go on after the state of the replica, if the log has lost batches.
// It gets another genesis, of the next generation, which says after which position of the
// replica it goes on. Entries between that position and the genesis are void. The steps are
// Settle, Renew, and EndRepair in any case; one repair runs at a time. After Settle the
// replica does not change, so what it has can be compared with what other nodes have before
// anything is given up.

// Lost reports whether the shard has stopped because the log has lost batches.
func (f *Follower) Lost() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return errors.Is(f.paused, errLost)
}

// Unsettled returns an error if the log has lost batches, or is not followed now and may have
// lost some.
func (f *Follower) Unsettled() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.stopped != nil:
		return nil
	case errors.Is(f.paused, errLost):
		return f.paused
	}
	return f.unfollowed
}

// Settle has the replica apply what is in the log, as far as it agrees, and then nothing
// until Renew or EndRepair. With abandon it does so also if the log ends before what another
// node was known to have. It returns early if the shard goes on by itself: then it is not Lost.
func (f *Follower) Settle(ctx context.Context, abandon bool) error {
	f.mu.Lock()
	f.repairing, f.known = settling, known{f.furthest, f.ahead, f.applied.Generation}
	if abandon {
		f.furthest, f.ahead = sight{}, lag{}
	}
	// The check that is under way may not know of this yet, the next one does.
	settled := f.pauses + 2
	f.mu.Unlock()
	for {
		f.mu.Lock()
		lost, pauses, stopped := errors.Is(f.paused, errLost), f.pauses, f.stopped
		f.mu.Unlock()
		switch {
		case stopped != nil:
			return stopped
		case !lost || pauses >= settled:
			return nil
		}
		if err := pause.For(ctx, followPause); err != nil {
			return err
		}
	}
}

// Renew makes the log go on after the state of a replica that has settled.
func (f *Follower) Renew(ctx context.Context) error {
	f.mu.Lock()
	f.repairing = renewing
	f.furthest, f.ahead = sight{}, lag{}
	b := batch.Batch{
		Level: 1, Epoch: f.o.Epoch, Generation: f.applied.Generation + 1, Proposer: batch.NewProposer(), Counter: 1,
		Base: f.applied.Position, History: f.applied.History, Genesis: &batch.Genesis{Cluster: f.o.Cluster, Shards: f.o.Shards},
	}
	f.mu.Unlock()
	_, last, err := f.o.Log.Bounds(ctx, f.o.Shard)
	if err != nil {
		return err
	}
	f.o.Logger.Warn("repairing the log", "shard", f.o.Shard, "position", b.Base, "ended", last)
	if last < b.Base {
		if err := f.o.Log.Restart(ctx, f.o.Shard, b.Base); err != nil {
			return err
		}
	}
	return f.renew(ctx, b.Append(nil), b.Generation)
}

// EndRepair ends a repair. If the replica has not applied the genesis, the shard remains
// stopped because of what other nodes have.
func (f *Follower) EndRepair() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.applied.Generation == f.known.generation && f.known.furthest.position > f.furthest.position {
		f.furthest, f.ahead = f.known.furthest, f.known.ahead
	}
	f.repairing = notRepairing
}

// known is what was known of other nodes before a repair.
type known struct {
	furthest   sight
	ahead      lag
	generation uint64
}

// renew proposes a genesis until the replica has applied it.
func (f *Follower) renew(ctx context.Context, data []byte, generation uint64) error {
	for {
		try, cancel := context.WithTimeout(ctx, replog.Timeout)
		err := f.o.Log.Propose(try, f.o.Shard, data)
		cancel()
		if err != nil {
			f.o.Logger.Warn("the log takes no changes", "shard", f.o.Shard, "error", err)
		}
		for began := time.Now(); time.Since(began) < 3*resumePause; {
			if done, err := f.renewed(generation); done || err != nil {
				return err
			}
			if err := pause.For(ctx, followPause); err != nil {
				return err
			}
		}
	}
}

func (f *Follower) renewed(generation uint64) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.applied.Generation >= generation, f.stopped
}

// stage says how far to follow a log that is being repaired, or that this replica has
// stopped to follow: through which position, and which entries are void.
func (f *Follower) stage(ctx context.Context, at, last uint64) (through uint64, err error) {
	f.mu.Lock()
	stage, paused := f.repairing, f.paused != nil
	f.mu.Unlock()
	if !paused {
		return math.MaxUint64, nil
	}
	genesis, _, err := f.voided(ctx, at, last)
	switch {
	case err != nil:
		return 0, err
	case genesis > 0:
		f.note.Void = genesis - 1
	case stage == renewing || stage == settling && at == last:
		return 0, errRepairing
	case stage == settling:
		return last, nil
	}
	return math.MaxUint64, nil
}

// voided returns the position of the genesis by which a log that was repaired goes on after
// a position of this replica, and 0 if there is none. Then later reports whether the log
// was repaired after a later position.
func (f *Follower) voided(ctx context.Context, at, last uint64) (genesis uint64, later bool, err error) {
	if last <= at {
		return 0, false, nil
	}
	for entry, err := range f.o.Log.Follow(ctx, f.o.Shard, at) {
		if err != nil {
			return 0, false, err
		}
		b, err := batch.DecodeHeader(entry.Data)
		switch {
		case err != nil:
			return 0, false, stopped("entry %d of the log: %w", entry.Position, err)
		case b.Generation > f.note.Generation && b.Base == at && b.History == f.note.History:
			return entry.Position, false, nil
		case b.Generation > f.note.Generation && b.Base <= at:
			return 0, false, leftBehind(at)
		case b.Generation > f.note.Generation:
			return 0, true, nil
		case entry.Position >= last:
			return 0, false, nil
		}
	}
	return 0, false, context.Cause(ctx)
}

// leftBehind is the error of a replica that has what a repaired log has given up.
func leftBehind(at uint64) error {
	return stopped("%w: the log was repaired without what this one has up to %d", note.ErrForked, at)
}
