package committer

import (
	"context"
	"log/slog"
	"sync"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// reclaimer returns the disk space of removed records while space is short. Pebble frees
// it only by a flush and a compaction. Writes cause both, but while space is short they
// are refused, so the store would stay full whatever is removed from it.
type reclaimer struct {
	db  *pdb.DB
	log *slog.Logger

	mu struct {
		sync.Mutex
		removed stage.Removals
	}
	work chan struct{} // cap 1: mu.removed is not empty
	stop context.CancelFunc
	done chan struct{}
}

// startReclaimer starts the reclaimer's goroutine, which end ends.
func startReclaimer(db *pdb.DB, log *slog.Logger) *reclaimer {
	ctx, stop := context.WithCancel(context.Background())
	r := &reclaimer{db: db, log: log, work: make(chan struct{}, 1), stop: stop, done: make(chan struct{})}
	r.mu.removed = stage.Removals{}
	go r.run(ctx)
	return r
}

func (r *reclaimer) end() {
	r.stop()
	<-r.done
}

// add hands over what a commit removed.
func (r *reclaimer) add(removed stage.Removals) {
	r.mu.Lock()
	for channel, s := range removed {
		r.mu.removed.Add(channel, s)
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
		r.mu.removed = stage.Removals{}
		r.mu.Unlock()
		again := stage.Removals{}
		for channel, s := range removed {
			err := r.compact(ctx, channel, s)
			if err == nil || ctx.Err() != nil {
				continue
			}
			r.log.Warn("the disk space of removed messages was not freed", "channel", channel, "error", disk.Plain(err))
			if disk.Shortage(err) != nil { // a compaction needs space, too, for a moment
				again[channel] = s
			}
		}
		if len(again) > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
			r.add(again)
		}
	}
}

// pause is how long a compaction that failed for lack of space waits for the next attempt.
const pause = time.Second

// compact waits for the flush of the removals, and compacts their range.
func (r *reclaimer) compact(ctx context.Context, channel string, s stage.Sequences) error {
	return r.db.Compact(ctx, format.RecordKey(nil, channel, s.First), format.RecordKey(nil, channel, s.Last+1), false)
}
