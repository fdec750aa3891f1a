package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/postgres/internal/database"
)

const (
	// pollEvery is how often a follower looks without a notification, which may be lost.
	pollEvery = time.Second
	// minRead and maxRead are the most entries in one read, and readBytes is what it
	// should not exceed, as far as the size of entries is known.
	minRead   = 16
	maxRead   = 1024
	readBytes = 4 << 20
	// followPause is the pause after the database could not be reached.
	followPause = 100 * time.Millisecond
)

// follower follows a shard.
type follower struct {
	l       *Log
	s       *shard
	after   uint64
	limit   int // entries in the next read
	poll    *time.Timer
	trouble error // why the last statement failed; nil: it did not
}

// run returns nil when yield has ended the iteration.
func (f *follower) run(ctx context.Context, yield func(cluster.Entry, error) bool) error {
	due, seen := true, 0
	for {
		last, own, missed, grown := f.s.head.state()
		due, seen = due || missed != seen, missed
		var entries []cluster.Entry
		var err error
		switch {
		case own != nil && own.Position == f.after+1:
			entries = []cluster.Entry{*own}
		case last > f.after:
			entries, err = f.read(ctx, last)
		case due:
			due, err = false, f.look(ctx)
		default:
			due, err = f.wait(ctx, grown)
		}
		if err != nil {
			if err = f.failed(ctx, err); err != nil {
				return err
			}
			due = true
			continue
		}
		for i := range entries {
			if !yield(entries[i], nil) {
				return nil
			}
			f.after = entries[i].Position
			f.poll.Reset(pollEvery)
		}
	}
}

// wait waits until there may be something to read. It is due to look whether there is when
// nothing was heard for some time.
func (f *follower) wait(ctx context.Context, grown <-chan struct{}) (due bool, err error) {
	select {
	case <-grown:
		return false, nil
	case <-f.poll.C:
		f.poll.Reset(pollEvery)
		return true, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// lossError says that the log does not have what was in it.
type lossError struct{ text string }

func (e *lossError) Error() string { return e.text }

// failed waits before the next attempt, or returns the error if there is to be none.
func (f *follower) failed(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, cluster.ErrTrimmed), errors.As(err, new(*lossError)), database.Final(err):
		return err
	case ctx.Err() == nil:
		f.trouble = err
		select {
		case <-time.After(followPause):
			return nil
		case <-ctx.Done():
		}
	}
	if f.trouble != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), f.trouble)
	}
	return context.Cause(ctx)
}

// read reads the next entries, up to a position.
func (f *follower) read(ctx context.Context, last uint64) ([]cluster.Entry, error) {
	limited, cancel := f.l.db.Limit(ctx, database.CallTimeout)
	defer cancel()
	rows, err := f.l.db.Pool.Query(limited, f.s.read, f.l.schema.cluster, f.s.number, f.after, last, f.limit)
	if err != nil {
		return nil, err
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (entry cluster.Entry, err error) {
		var at time.Time
		err = row.Scan(&entry.Position, &at, &entry.Data)
		entry.Time = at.UnixMilli()
		return entry, err
	})
	if err != nil {
		return nil, err
	}
	f.trouble = nil
	if len(entries) == 0 || entries[0].Position != f.after+1 {
		if err := f.look(ctx); err != nil {
			return nil, err
		}
		return nil, &lossError{fmt.Sprintf("entry %d is missing in the log", f.after+1)}
	}
	f.adapt(entries)
	return entries, nil
}

// look looks at the bounds of the log. It returns an error if the entry after the follower
// is gone, or the log has lost entries.
func (f *follower) look(ctx context.Context) error {
	known := f.s.head.known()
	first, last, err := f.l.Bounds(ctx, f.s.number)
	switch {
	case err != nil:
		return err
	case first > f.after+1:
		return cluster.ErrTrimmed
	case last < max(known, f.after):
		return &lossError{fmt.Sprintf("the log ends at %d, before %d", last, max(known, f.after))}
	case last > known && !f.s.memory:
		if last, err = f.confirm(ctx); err != nil {
			return err
		}
	}
	f.trouble = nil
	f.s.head.raise(last, nil)
	return nil
}

// confirm waits until everything that is visible is durable. Its own commit waits for the
// standbys, and therefore for all commits before it.
func (f *follower) confirm(ctx context.Context) (last uint64, err error) {
	ctx, cancel := f.l.db.Limit(ctx, database.CallTimeout)
	defer cancel()
	var first uint64
	err = f.l.row(ctx, f.s, f.l.db.Durable, f.s.statements.confirm, nil, &first, &last)
	return last, f.l.db.Explain(err)
}

// adapt sets the limit of the next read by the size of the entries.
func (f *follower) adapt(entries []cluster.Entry) {
	size := 0
	for _, entry := range entries {
		size += len(entry.Data)
	}
	switch {
	case size > readBytes:
		f.limit = max(f.limit/2, minRead)
	case len(entries) == f.limit && size < readBytes/2:
		f.limit = min(f.limit*2, maxRead)
	}
}
