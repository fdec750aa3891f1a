package directory

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
)

// Keeper maintains the anchor and the note of an open store. Pebble has to write to its
// file system.
type Keeper struct {
	fs     vfs.FS
	dir    string
	log    *slog.Logger
	failed func() bool // once true, nothing is written
	ledger *ledger
	note   *note

	mu     sync.Mutex // held while the anchor is written
	epoch  string     // guarded by mu
	anchor *anchor    // the last one written; guarded by mu

	stop context.CancelFunc
	done chan struct{}
}

// NewKeeper returns the keeper of a surveyed store. Once failed returns true, it leaves
// the disk unchanged.
func NewKeeper(s *Survey, epoch string, log *slog.Logger, failed func() bool) *Keeper {
	return &Keeper{
		fs: s.FS, dir: s.dir, epoch: epoch, log: log, failed: failed,
		ledger: newLedger(s.number), anchor: s.anchor, done: make(chan struct{}),
	}
}

// Recording returns the file system for Pebble.
func (k *Keeper) Recording() vfs.FS { return recording{k.fs, k.ledger} }

// ManifestCreated must be called when Pebble has created a manifest.
func (k *Keeper) ManifestCreated(i pdb.ManifestCreateInfo) { k.ledger.manifestCreated(i) }

// Start is called once the store is open. The goroutine it starts runs until End.
func (k *Keeper) Start() {
	k.WriteAnchor()
	k.note = openNote(k.fs, k.dir, k.log)
	k.ledger.logSynced = k.logSynced
	ctx, stop := context.WithCancel(context.Background())
	k.stop = stop
	go k.run(ctx)
}

// End stops the goroutine that Start started, and waits for it. It may be called more
// than once.
func (k *Keeper) End() {
	k.stop()
	<-k.done
}

// CloseNote is called after the last sync.
func (k *Keeper) CloseNote() { k.note.close() }

// anchorEvery is how far the anchor may lag, besides the time to write it.
const anchorEvery = time.Second

// run writes the anchor whenever it has changed.
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

// WriteAnchor writes the anchor if it has changed. After a failure it writes nothing: the
// ledger may name a manifest that never reached the disk.
func (k *Keeper) WriteAnchor() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.writeLocked(); err != nil {
		k.log.Warn("cannot write the anchor: damage to the last log may go unnoticed", "error", disk.Plain(err))
	}
}

func (k *Keeper) writeLocked() error {
	a := k.ledger.anchor(k.epoch)
	if k.failed() || k.anchor != nil && a.same(k.anchor) {
		return nil
	}
	if k.anchor != nil {
		a.generation = k.anchor.generation
	}
	a.generation++
	if err := writeAnchor(k.fs, k.dir, a); err != nil {
		return err
	}
	k.anchor = a
	return nil
}

// SetEpoch changes the epoch of the open store. A crash leaves the one or the other: while
// the mark is missing, that of the anchor counts.
func (k *Keeper) SetEpoch(epoch string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.fs.Remove(k.fs.PathJoin(k.dir, MarkName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := syncDir(k.fs, k.dir); err != nil {
		return err
	}
	k.epoch = epoch
	if err := k.writeLocked(); err != nil {
		return err
	}
	return writeMark(k.fs, k.dir, epoch)
}

// logSynced makes the anchor name each log before anything in it is acknowledged, so that
// a lost log is noticed. After that the note records how far it was synced, and the
// anchor follows within a second.
func (k *Keeper) logSynced(log uint64, before, length int64) {
	if before == 0 {
		k.WriteAnchor()
	}
	k.note.write(log, length)
}
