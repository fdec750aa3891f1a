package pebble

import (
	"context"
	"log/slog"
	"sync"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
)

// reclaimer returns the disk space of removed records while space is short. Pebble frees
// it only by a flush and a compaction. Writes cause both, but while space is short they
// are refused, so the store would stay full whatever is removed from it.
type reclaimer struct {
	db  *pdb.DB
	log *slog.Logger

	mu struct {
		sync.Mutex
		removed []removal
	}
	work chan struct{} // cap 1: there is something in mu.removed
	done chan struct{}
}

// removal is a range of records that were removed from a channel.
type removal struct {
	channel     string
	first, last uint64
}

// maxRemovals bounds the ranges that wait. Beyond it they are joined, which makes
// compactions larger.
const maxRemovals = 256

func newReclaimer(db *pdb.DB, log *slog.Logger) *reclaimer {
	return &reclaimer{db: db, log: log, work: make(chan struct{}, 1), done: make(chan struct{})}
}

// join adds a range to a list that is sorted by time, joining it with the last range if
// that is of the same channel, or with one of the same channel if the list is full.
func join(list []removal, r removal) []removal {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].channel == r.channel {
			list[i].first, list[i].last = min(list[i].first, r.first), max(list[i].last, r.last)
			return list
		}
		if len(list) < maxRemovals {
			break
		}
	}
	return append(list, r)
}

// add hands over what a commit removed.
func (r *reclaimer) add(removed []removal) {
	r.mu.Lock()
	for _, one := range removed {
		r.mu.removed = join(r.mu.removed, one)
	}
	r.mu.Unlock()
	select {
	case r.work <- struct{}{}:
	default:
	}
}

// run compacts what was removed, until ctx is done.
func (r *reclaimer) run(ctx context.Context) {
	defer close(r.done)
	for {
		select {
		case <-r.work:
		case <-ctx.Done():
			return
		}
		r.mu.Lock()
		removed := r.mu.removed
		r.mu.removed = nil
		r.mu.Unlock()
		for _, one := range removed {
			if err := r.compact(ctx, one); err != nil && ctx.Err() == nil {
				r.log.Warn("the disk space of removed messages was not freed", "channel", one.channel, "error", disk.Plain(err))
			}
		}
	}
}

// compact waits for the flush of the removals, and compacts their range.
func (r *reclaimer) compact(ctx context.Context, one removal) error {
	return r.db.Compact(ctx, recordKey(nil, one.channel, one.first), recordKey(nil, one.channel, one.last+1), false)
}
