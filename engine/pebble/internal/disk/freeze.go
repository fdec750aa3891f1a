// Package disk is the layer between Pebble and the disk. It refuses writes to a nearly
// full disk, retries while the system is short of descriptors, memory or space, freezes
// the disk after a failed write, parks compactions that read damaged blocks, reports why
// writes are refused, and extends logs with zeros to make syncs cheaper. It knows neither
// keys nor channels.
package disk

import (
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// freezing is the file system as Pebble sees it. When a write or sync of Pebble's
// log, manifest or directory fails, Pebble would panic with its locks held, or retry
// endlessly. Instead the operation reports success to Pebble, the engine is marked as
// failed, so that nothing more is acknowledged, and from then on the disk does not
// change: Pebble's writes are discarded, and nothing is removed or renamed. New
// tables are still written; nothing on the disk refers to them. (While it opens,
// Pebble would wait endlessly for the flush of a table, so until then tables are
// handled like logs.) Pebble then continues in memory, reads work, and the next start
// finds the files as a power cut at the moment of the failure would have left them.
type freezing struct {
	vfs.FS
	fault    *Fault
	patience *Patience
	work     *Background
}

func NewFreezing(fs vfs.FS, f *Fault, p *Patience, work *Background) vfs.FS {
	return freezing{fs, f, p, work}
}

func (f freezing) frozen() bool { return f.fault.err.Load() != nil }

// IsTable reports whether a file is one that Pebble rewrites under another name when
// writing it fails.
func IsTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// nowhere returns a file that discards writes made after the failure.
func (f freezing) nowhere() vfs.File { return guarded{File: vfs.NewMemFile(nil), fault: f.fault} }

func (f freezing) Create(name string, c vfs.DiskWriteCategory) (file vfs.File, err error) {
	if IsTable(name) && f.work.failed.Load() {
		f.patience.pause() // Pebble itself would retry at once, without a pause
	}
	create := func() error { file, err = f.FS.Create(name, c); return err }
	if IsTable(name) && f.patience.Opened.Load() { // Pebble waits for flushes while it opens
		err = f.patience.forAWhile(create)
		return file, err
	}
	return f.mustOpen(&file, IsTable(name), create)
}

func (f freezing) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (file vfs.File, err error) {
	first := true
	return f.mustOpen(&file, false, func() error {
		if first {
			first = false
			file, err = f.FS.ReuseForWrite(old, name, c)
		} else { // the first attempt may have renamed it already
			file, err = f.FS.Create(name, c)
		}
		return err
	})
}

// mustOpen opens a file that Pebble cannot do without. No write has failed yet, so it
// retries until a shortage is over.
func (f freezing) mustOpen(file *vfs.File, table bool, open func() error) (vfs.File, error) {
	if f.frozen() {
		return f.nowhere(), nil
	}
	if err := f.patience.untilItWorks(open); err != nil {
		f.fault.Set(err)
		return f.nowhere(), nil
	}
	g := guarded{File: *file, fault: f.fault}
	if table {
		g.until = &f.patience.Opened
	}
	return g, nil
}

func (f freezing) Open(name string, options ...vfs.OpenOption) (file vfs.File, err error) {
	err = f.patience.forAWhile(func() error {
		file, err = f.FS.Open(name, options...)
		return err
	})
	return file, err
}

func (f freezing) List(dir string) (names []string, err error) {
	err = f.patience.forAWhile(func() error {
		names, err = f.FS.List(dir)
		return err
	})
	return names, err
}

func (f freezing) OpenDir(name string) (vfs.File, error) {
	var dir vfs.File
	err := f.patience.forAWhile(func() (err error) {
		dir, err = f.FS.OpenDir(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return guarded{File: dir, fault: f.fault}, nil
}

func (f freezing) Remove(name string) error {
	if f.frozen() {
		return nil
	}
	return f.FS.Remove(name)
}

func (f freezing) Rename(old, name string) error {
	if f.frozen() {
		return nil
	}
	return f.FS.Rename(old, name)
}

func (f freezing) Unwrap() vfs.FS { return f.FS }

// guarded is an open file of a freezing disk.
type guarded struct {
	vfs.File
	fault *Fault
	until *atomic.Bool // once true, errors are returned to Pebble; nil: never
}

// do runs an operation unless the disk is frozen, and freezes the disk if it fails.
func (g guarded) do(operation func() error) error {
	if g.fault.err.Load() != nil {
		return nil
	}
	err := operation()
	if err != nil && (g.until == nil || !g.until.Load()) {
		g.fault.Set(err)
		return nil
	}
	return err
}

func (g guarded) Write(p []byte) (int, error) {
	err := g.do(func() error { _, err := g.File.Write(p); return err })
	return len(p), err
}

func (g guarded) WriteAt(p []byte, at int64) (int, error) {
	err := g.do(func() error { _, err := g.File.WriteAt(p, at); return err })
	return len(p), err
}

func (g guarded) Sync() error { return g.do(g.File.Sync) }

func (g guarded) SyncData() error { return g.do(g.File.SyncData) }

func (g guarded) SyncTo(length int64) (full bool, err error) {
	err = g.do(func() error { full, err = g.File.SyncTo(length); return err })
	return full, err
}

// Preallocate does not freeze the disk when it fails: it only makes later writes
// faster, and those may still find space.
func (g guarded) Preallocate(offset, length int64) error {
	if g.fault.err.Load() != nil {
		return nil
	}
	return g.File.Preallocate(offset, length)
}

func (g guarded) Close() error {
	if err := g.File.Close(); err != nil {
		g.fault.Set(err)
	}
	return nil
}
