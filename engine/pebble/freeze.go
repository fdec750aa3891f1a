package pebble

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// freezing is the file system as Pebble sees it. When a write or sync of Pebble's
// log, manifest or directory fails, Pebble would panic with its locks held, or try
// again for ever. Instead it is told that all is well, the engine is marked as
// failed, so that nothing is acknowledged any more, and from then on the disk stays
// as it is: what Pebble writes goes nowhere, and nothing is removed or renamed. New
// tables are still written; nothing on the disk refers to them. Pebble then goes on
// in memory, reads are answered, and the next start finds what a power cut at the
// moment of the failure would have left.
type freezing struct {
	vfs.FS
	fault *fault
}

func (f freezing) frozen() bool { return f.fault.err.Load() != nil }

// isTable says whether a file is one of those that Pebble writes again elsewhere
// when it cannot write them.
func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// open guards a file that was opened for writing.
func (f freezing) open(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		f.fault.set(err)
		return f.nowhere(), nil
	}
	return guarded{file, f.fault}, nil
}

// nowhere is a file for what is written after the failure.
func (f freezing) nowhere() vfs.File { return guarded{vfs.NewMemFile(nil), f.fault} }

func (f freezing) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if isTable(name) {
		return f.FS.Create(name, c)
	}
	if f.frozen() {
		return f.nowhere(), nil
	}
	return f.open(f.FS.Create(name, c))
}

func (f freezing) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if f.frozen() {
		return f.nowhere(), nil
	}
	return f.open(f.FS.ReuseForWrite(old, name, c))
}

func (f freezing) OpenDir(name string) (vfs.File, error) {
	dir, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return guarded{dir, f.fault}, nil
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
	fault *fault
}

// do runs an operation unless the disk is frozen, and freezes it when that fails.
func (g guarded) do(operation func() error) {
	if g.fault.err.Load() != nil {
		return
	}
	if err := operation(); err != nil {
		g.fault.set(err)
	}
}

func (g guarded) Write(p []byte) (int, error) {
	g.do(func() error { _, err := g.File.Write(p); return err })
	return len(p), nil
}

func (g guarded) WriteAt(p []byte, at int64) (int, error) {
	g.do(func() error { _, err := g.File.WriteAt(p, at); return err })
	return len(p), nil
}

func (g guarded) Sync() error {
	g.do(g.File.Sync)
	return nil
}

func (g guarded) SyncData() error {
	g.do(g.File.SyncData)
	return nil
}

func (g guarded) SyncTo(length int64) (full bool, err error) {
	g.do(func() error { full, err = g.File.SyncTo(length); return err })
	return full, nil
}

func (g guarded) Preallocate(offset, length int64) error {
	g.do(func() error { return g.File.Preallocate(offset, length) })
	return nil
}

func (g guarded) Close() error {
	if err := g.File.Close(); err != nil {
		g.fault.set(err)
	}
	return nil
}
