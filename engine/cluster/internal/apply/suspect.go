package apply

import (
	"context"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/replog"
)

// Heard records that another node has applied a position.
func (f *Follower) Heard(node string, position, generation uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if position <= f.applied.Position || generation != f.applied.Generation {
		return
	}
	f.ahead.heard(position, time.Now())
	if position > f.furthest.position {
		f.furthest = sight{node, position}
	}
}

// SuspectAfter is how long another node may be ahead before the log is asked whether it has
// what that node has.
const SuspectAfter = 3 * time.Second

// Suspect checks the log again if it ends before what another node has.
func (f *Follower) Suspect(ctx context.Context) {
	f.mu.Lock()
	suspicious, furthest := f.ahead.since(time.Now()) >= SuspectAfter && f.paused == nil, f.furthest
	f.mu.Unlock()
	if !suspicious {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, replog.Timeout)
	defer cancel()
	if _, last, err := f.o.Log.Bounds(ctx, f.o.Shard); err == nil && last < furthest.position {
		f.Refollow()
	}
}
