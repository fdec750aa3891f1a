package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
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

// errLost says that a log does not have batches that were acknowledged.
var errLost = errors.New("the log lost acknowledged batches")

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
func (s *shard) check(ctx context.Context, at uint64) (from, first, last uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	s.mu.Lock()
	furthest := s.furthest
	s.mu.Unlock()
	first, last, err = s.e.log.Bounds(ctx, s.number)
	switch {
	case err != nil:
	case s.memory != nil:
		at, err = s.checkMemory(at, first, last)
	case last < at:
		err = s.lacks(ctx, first, last, at)
	case first > at+1:
		err = stopped("%w: it begins at %d, and this replica is at %d", ErrTrimmed, first, at)
	case last < furthest.position:
		err = lost(furthest)
	case at > 0 && first <= at:
		err = s.same(ctx, first, last, at)
	}
	return at, first, last, s.lasting(err, last < max(at, furthest.position))
}

// lasting turns the alarm that the log lost batches into an error that may pass, if the log
// has been too short only for a moment: a leader that was elected just now may have to
// learn first where it ends.
func (s *shard) lasting(err error, short bool) error {
	switch {
	case !short || !errors.Is(err, errLost):
		s.short = time.Time{}
		return err
	case s.short.IsZero():
		s.short = time.Now()
	}
	if time.Since(s.short) >= suspectAfter {
		return err
	}
	return fmt.Errorf("the log seems too short: %v", err) //nolint:errorlint // it is no alarm yet
}

// checkMemory is check for a log in memory, of which entries may be missing.
func (s *shard) checkMemory(at, first, last uint64) (from uint64, err error) {
	s.note.Loose, s.note.Epoch = true, s.e.epoch
	switch {
	case last < at:
		return 0, fmt.Errorf("the log in memory was lost: it ends at %d, and this node is at %d", last, at)
	case first > at+1:
		at = first - 1
		s.memory.Skip(at)
	}
	return at, nil
}

// same returns an error unless the log has the entry at a position that the replica
// applied last.
func (s *shard) same(ctx context.Context, first, last, at uint64) error {
	for entry, err := range s.e.log.Follow(ctx, s.number, at-1) {
		switch {
		case errors.Is(err, ErrTrimmed):
			return nil // just now
		case err != nil:
			return err
		case len(entry.Data) >= 4 && note.Extend(s.note.Before, &entry) == s.note.History:
			return nil
		}
		return s.lacks(ctx, first, last, at)
	}
	return context.Cause(ctx)
}

// lacks says what it means that the log does not have what the replica applied last. That
// is no error if the log was repaired to go on from there.
func (s *shard) lacks(ctx context.Context, first, last, at uint64) error {
	if first > last {
		return lost(sight{s.e.node, at})
	}
	b, err := s.header(ctx, last)
	switch {
	case err != nil:
		return err
	case b.Epoch != s.note.Epoch:
		return stopped("the log belongs to another cluster: %w: its epoch is %s, and that of this replica is %s", ErrForeign, b.Epoch, s.note.Epoch)
	case b.Generation == s.note.Generation:
		return lost(sight{s.e.node, at})
	}
	genesis, _, err := s.voided(ctx, at, last)
	if err == nil && genesis == 0 {
		err = leftBehind(at)
	}
	if err == nil {
		s.note.Void = genesis - 1
	}
	return err
}

// header reads the header of the batch at a position of the log.
func (s *shard) header(ctx context.Context, position uint64) (*batch.Batch, error) {
	for entry, err := range s.e.log.Follow(ctx, s.number, position-1) {
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
func (s *shard) disagrees(b *batch.Batch, position uint64) (has sight, disagrees bool) {
	switch {
	case s.memory != nil || b.Generation != s.note.Generation || b.Epoch != s.note.Epoch:
		return sight{}, false
	case b.Base >= position || s.recent.Differs(b.Base, b.History) || s.note.Misses(b):
		return sight{"of another node", b.Base}, true
	}
	return sight{}, false
}
