package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
	"github.com/wirepost/wirepost/engine/cluster/internal/replog"
)

// What a replica has applied must be what the log has. A log may lose entries that it has
// acknowledged, however: then it ends before a replica's position, or goes on with others.
// A replica notices in three ways:
//
//   - before it follows the log, it compares the entry at its position (check)
//   - every batch says what its proposer had applied, which must be what this replica has
//     applied, too (disagrees)
//   - another node announces a position that the log does not have (suspect).
//
// Then it stops, and with it the shard, until an operator decides which replica has the
// truth (repair.go).

// errLost says that a log does not have batches that were acknowledged, and errShort that
// it seems so.
var (
	errLost  = errors.New("the log lost acknowledged batches")
	errShort = errors.New("the log seems too short")
)

// Loses reports whether an error of Reaches says that the log has lost batches, or seems to.
func Loses(err error) bool { return errors.Is(err, errLost) || errors.Is(err, errShort) }

// sight is a position that a node has applied.
type sight struct {
	node     string
	position uint64
}

// lost is the error of a log that does not have what a node has.
func lost(has sight) error {
	return &pauseError{fmt.Errorf("%w: replica %s has them up to %d", errLost, has.node, has.position)}
}

// check compares the log with the replica, which is at a position, before it is followed.
// It returns the position from which it is to be followed, and the bounds of the log.
func (f *Follower) check(ctx context.Context, at uint64) (from, first, last uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, replog.Timeout)
	defer cancel()
	f.mu.Lock()
	furthest := f.furthest
	f.mu.Unlock()
	first, last, err = f.o.Log.Bounds(ctx, f.o.Shard)
	switch {
	case err != nil:
	case f.o.Memory != nil:
		at, err = f.checkMemory(at, first, last)
	case last < at, first > last && at > 0: // trimming never empties a log
		err = f.lacks(ctx, first, last, at)
	case first > at+1:
		err = stopped("%w: it begins at %d, and this replica is at %d", replog.ErrTrimmed, first, at)
	case last < furthest.position:
		err = lost(furthest)
	case at > 0 && first <= at:
		err = f.same(ctx, first, last, at)
	}
	return at, first, last, f.lasting(err, first > last || last < max(at, furthest.position))
}

// lasting turns the alarm that the log lost batches into an error that may pass, if the log
// has been too short only for a while: a leader that was elected just now may have to
// learn first where it ends, and one that is cut off that it is not the leader any more.
func (f *Follower) lasting(err error, short bool) error {
	switch {
	case !short || !errors.Is(err, errLost):
		f.short = time.Time{}
		return err
	case f.short.IsZero():
		f.short = time.Now()
	}
	certain := SuspectAfter
	if l, ok := f.o.Log.(replog.Eventual); ok {
		certain = max(certain, l.Outdated())
	}
	if time.Since(f.short) >= certain {
		return err
	}
	return fmt.Errorf("%w: %v", errShort, err) //nolint:errorlint // it is not an alarm yet
}

// checkMemory is check for a log in memory, of which entries may be missing.
func (f *Follower) checkMemory(at, first, last uint64) (from uint64, err error) {
	f.note.Loose, f.note.Epoch = true, f.o.Epoch
	switch {
	case last < at:
		return 0, fmt.Errorf("the log in memory was lost: it ends at %d, and this node is at %d", last, at)
	case first > at+1:
		at = first - 1
		f.o.Memory.Skip(at)
	}
	return at, nil
}

// same returns an error unless the log has the entry at a position that the replica
// applied last.
func (f *Follower) same(ctx context.Context, first, last, at uint64) error {
	for entry, err := range f.o.Log.Follow(ctx, f.o.Shard, at-1) {
		switch {
		case errors.Is(err, replog.ErrTrimmed):
			return nil // just now
		case err != nil:
			return err
		case len(entry.Data) >= 4 && note.Extend(f.note.Before, &entry) == f.note.History:
			return nil
		}
		return f.lacks(ctx, first, last, at)
	}
	return context.Cause(ctx)
}

// lacks says what it means that the log does not have what the replica applied last. That
// is no error if the log was repaired to go on from there.
func (f *Follower) lacks(ctx context.Context, first, last, at uint64) error {
	if first > last {
		return lost(sight{f.o.Node, at})
	}
	b, err := f.header(ctx, last)
	switch {
	case err != nil:
		return err
	case b.Epoch != f.note.Epoch:
		return stopped("the log belongs to another cluster: %w: its epoch is %s, and that of this replica is %s: the log and the data directory that the settings name do not belong together", note.ErrForeign, b.Epoch, f.note.Epoch)
	case b.Generation == f.note.Generation:
		return lost(sight{f.o.Node, at})
	}
	genesis, _, err := f.voided(ctx, at, last)
	if err == nil && genesis == 0 {
		err = leftBehind(at)
	}
	if err == nil {
		f.note.Void = genesis - 1
	}
	return err
}

// header reads the header of the batch at a position of the log.
func (f *Follower) header(ctx context.Context, position uint64) (*batch.Batch, error) {
	for entry, err := range f.o.Log.Follow(ctx, f.o.Shard, position-1) {
		if err != nil {
			return nil, err
		}
		b, err := batch.DecodeHeader(entry.Data)
		if err != nil {
			return nil, stopped("entry %d of the log: %w", position, err)
		}
		return b, nil
	}
	return nil, context.Cause(ctx)
}

// disagrees returns what the proposer of a batch has applied and the log does not have, if
// there is something.
func (f *Follower) disagrees(b *batch.Batch, position uint64) (has sight, disagrees bool) {
	switch {
	case f.o.Memory != nil || b.Generation != f.note.Generation || b.Epoch != f.note.Epoch:
		return sight{}, false
	case b.Base >= position || f.recent.Differs(b.Base, b.History) || f.note.Misses(b):
		return sight{"of another node", b.Base}, true
	}
	return sight{}, false
}
