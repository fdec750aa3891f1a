package pebble

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

var _ engine.Snapshotter = (*Replica)(nil)

var _ engine.Copier = (*Engine)(nil)

// Snapshot implements engine.Copier. The snapshot consists of links to the tables of
// the store, in a directory below it, and of copies of the manifest and the last log. It
// keeps tables on the disk that the store has replaced meanwhile.
//
// The committer makes it, so that no other write is in the middle of the log while the log
// is copied: a log in which a part is missing is a damaged log. That takes milliseconds,
// because the memtable is flushed before, and the copy is not synced.
func (e *Engine) Snapshot(ctx context.Context) (engine.Snapshot, error) {
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.leave()
	if !e.copied.CompareAndSwap(false, true) {
		return nil, engine.ErrSnapshotOpen
	}
	s := &snapshot{fs: e.fs, dir: e.fs.PathJoin(e.dir, directory.SnapshotName), open: &e.copied}
	if err := s.make(ctx, e); err != nil {
		return nil, errors.Join(fmt.Errorf("snapshot of the store: %w", disk.Worded(err)), s.Close())
	}
	return s, nil
}

// Outdate implements engine.Snapshotter.
func (r *Replica) Outdate(reason string) error {
	if err := r.enter(context.Background()); err != nil {
		return err
	}
	defer r.leave()
	return directory.Outdate(r.fs, r.dir, reason)
}

// snapshot is an engine.Snapshot.
type snapshot struct {
	fs     vfs.FS
	dir    string
	files  []engine.SnapshotFile
	open   *atomic.Bool // of the engine
	closed atomic.Bool
}

func (s *snapshot) make(ctx context.Context, e *Engine) error {
	if err := s.fs.RemoveAll(s.dir); err != nil { // of one that could not be removed
		return err
	}
	flushed, err := e.db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-flushed:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	var synced directory.Synced
	err = e.committer.Do(ctx, committer.Mode{}, nil, func(*stage.Changes) error {
		err := e.db.Checkpoint(s.dir, pdb.WithFlushedWAL())
		synced = e.keeper.Synced()
		// After a fault the files are older than what was applied.
		return errors.Join(err, e.fault.Get())
	})
	if err != nil {
		return err
	}
	if err := synced.Mark(s.fs, s.dir); err != nil {
		return err
	}
	names, err := s.fs.List(s.dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := directory.CheckSnapshotName(name); err != nil {
			return err
		}
		info, err := s.fs.Stat(s.fs.PathJoin(s.dir, name))
		if err != nil {
			return err
		}
		s.files = append(s.files, engine.SnapshotFile{Name: name, Size: info.Size()})
	}
	return nil
}

// Files implements engine.Snapshot.
func (s *snapshot) Files() []engine.SnapshotFile { return s.files }

// ReadAt implements engine.Snapshot.
func (s *snapshot) ReadAt(file int, p []byte, offset int64) (int, error) {
	f, err := s.fs.Open(s.fs.PathJoin(s.dir, s.files[file].Name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.ReadAt(p, offset)
}

// Close implements engine.Snapshot.
func (s *snapshot) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	defer s.open.Store(false)
	return s.fs.RemoveAll(s.dir)
}
