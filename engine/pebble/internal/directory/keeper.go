package directory

import (
	"context"
	"log/slog"
	"sync"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
)

// Keeper keeps the anchor and the note of an open store. Its file system has to be the
// one that Pebble writes to.
type Keeper struct {
	fs     vfs.FS
	dir    string
	epoch  string
	log    *slog.Logger
	failed func() bool // from then on nothing is written
	ledger *ledger
	note   *note

	mu     sync.Mutex // held while the anchor is written
	anchor *anchor    // as written last; guarded by mu

	stop context.CancelFunc
	done chan struct{}
}

// NewKeeper makes the keeper of a store that was surveyed. Once failed says so, what is on
// the disk is left as it is.
func NewKeeper(s *Survey, epoch string, log *slog.Logger, failed func() bool) *Keeper {
	return &Keeper{
		fs: s.FS, dir: s.dir, epoch: epoch, log: log, failed: failed,
		ledger: newLedger(s.number), anchor: s.anchor, done: make(chan struct{}),
	}
}

// Recording is the file system for Pebble.
func (k *Keeper) Recording() vfs.FS { return recording{k.fs, k.ledger} }

// ManifestCreated is to be called when Pebble has created a manifest.
func (k *Keeper) ManifestCreated(i pdb.ManifestCreateInfo) { k.ledger.manifestCreated(i) }

// Start begins when the store is open. What it starts ends with end.
func (k *Keeper) Start() {
	k.WriteAnchor()
	k.note = openNote(k.fs, k.dir, k.log)
	k.ledger.logSynced = k.logSynced
	ctx, stop := context.WithCancel(context.Background())
	k.stop = stop
	go k.run(ctx)
}

// End ends the goroutine that start began. It may be called more than once.
func (k *Keeper) End() {
	k.stop()
	<-k.done
}

// CloseNote is for when nothing is synced any more.
func (k *Keeper) CloseNote() { k.note.close() }

// anchorEvery is how far the anchor may lag, besides the time to write it.
const anchorEvery = time.Second

// run writes the anchor when it would say something new.
func (k *Keeper) run(ctx context.Context) {
	defer close(k.done)
	tick := time.NewTicker(anchorEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.WriteAnchor()
		}
	}
}

// WriteAnchor writes the anchor unless it says the same already. After a failure the
// ledger may name a manifest that never came to the disk: nothing is written any more.
func (k *Keeper) WriteAnchor() {
	k.mu.Lock()
	defer k.mu.Unlock()
	a := k.ledger.anchor(k.epoch)
	if k.failed() || k.anchor != nil && a.same(k.anchor) {
		return
	}
	if k.anchor != nil {
		a.generation = k.anchor.generation
	}
	a.generation++
	if err := writeAnchor(k.fs, k.dir, a); err != nil {
		k.log.Warn("cannot write the anchor: damage to the last log may go unnoticed", "error", disk.Plain(err))
		return
	}
	k.anchor = a
}

// logSynced has the anchor name each log before anything in it is acknowledged, so that a
// log that was lost is missed. After that the note says how far it was synced, and the
// anchor within a second.
func (k *Keeper) logSynced(log uint64, before, length int64) {
	if before == 0 {
		k.WriteAnchor()
	}
	k.note.write(log, length)
}
