package cluster

import (
	"context"
	"errors"
	"fmt"
)

// errLost says that a log ends before batches that were acknowledged.
var errLost = errors.New("the log lost acknowledged batches")

// check compares the log with the replica, which is at a position, before it is followed.
// It returns the position from which it is to be followed, and the bounds of the log.
func (s *shard) check(ctx context.Context, at uint64) (from, first, last uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, proposeTimeout)
	defer cancel()
	first, last, err = s.e.log.Bounds(ctx, s.number)
	switch {
	case err != nil:
	case s.memory != nil:
		at, err = s.checkMemory(at, first, last)
	case last < at:
		err = s.lost(ctx, first, last, at)
	case first > at+1:
		err = stopped("%w: it begins at %d, and this replica is at %d", ErrTrimmed, first, at)
	case at > 0 && first <= at:
		err = s.same(ctx, at)
	}
	return at, first, last, err
}

// checkMemory is check for a log in memory, of which entries may be missing.
func (s *shard) checkMemory(at, first, last uint64) (from uint64, err error) {
	s.note.loose, s.note.epoch = true, s.e.epoch
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
func (s *shard) same(ctx context.Context, at uint64) error {
	for entry, err := range s.e.log.Follow(ctx, s.number, at-1) {
		if errors.Is(err, ErrTrimmed) {
			return nil // just now
		}
		if err != nil {
			return err
		}
		b, _, err := decodeHeader(entry.Data)
		switch {
		case err != nil:
			return stopped("entry %d of the log: %w", at, err)
		case extend(s.note.before, &entry) == s.note.history:
			return nil
		case b.epoch != s.note.epoch:
			return s.foreign(b)
		}
		return stopped("%w: the log has another batch at %d", errForked, at)
	}
	return context.Cause(ctx)
}

// lost says what it means that the log ends before the replica.
func (s *shard) lost(ctx context.Context, first, last, at uint64) error {
	if first <= last {
		for entry, err := range s.e.log.Follow(ctx, s.number, last-1) {
			if err != nil {
				return err
			}
			b, _, err := decodeHeader(entry.Data)
			switch {
			case err != nil:
				return stopped("entry %d of the log: %w", last, err)
			case b.epoch != s.note.epoch:
				return s.foreign(b)
			case b.generation > s.note.generation:
				return stopped("%w: the log was repaired without it, and ends at %d, and this replica is at %d", errForked, last, at)
			}
			break
		}
	}
	return &pauseError{fmt.Errorf("%w: it ends at %d; replica %s has them up to %d, see wirepost cluster repair", errLost, last, s.e.node, at)}
}

func (s *shard) foreign(b *batch) error {
	return stopped("the log belongs to another cluster: %w: its epoch is %s, and that of this replica is %s", ErrForeign, b.epoch, s.note.epoch)
}
