package pebble

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
)

// OnDisk is a file system in memory whose logs have descriptors, so that zeros are written
// after them as on a disk.
type OnDisk struct{ vfs.FS }

// Create implements vfs.FS.
func (d OnDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return d.described(name, f), err
}

// ReuseForWrite implements vfs.FS.
func (d OnDisk) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(old, name, c)
	return d.described(name, f), err
}

func (d OnDisk) described(name string, f vfs.File) vfs.File {
	if _, isLog := directory.LogNumber(d.PathBase(name)); f == nil || !isLog {
		return f
	}
	return describedFile{f}
}

type describedFile struct{ vfs.File }

func (describedFile) Fd() uintptr { return 3 }

// A log that ends in zeros is whole, after a kill and after a power cut, with the zeros or
// without those that were not synced. Damage to what is before them is found as without
// them, and damage to the zeros is none.
func TestZerosAfterTheLog(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]vfs.CrashCloneCfg{"killed": asKilled(), "power cut": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := vfs.NewCrashableMem()
			e := openTest(t, OnDisk{disk})
			appendTest(t, e, 0, messages)
			e.keeper.WriteAnchor()
			crashed := disk.CrashClone(how)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			log := lastLog(t, crashed)
			text := content(t, crashed, log)
			used := len(bytes.TrimRight(text, "\x00"))
			if len(text) < used+100<<10 {
				t.Fatalf("%s has %d bytes and %d zeros", log, used, len(text)-used)
			}
			for _, fs := range []*vfs.MemFS{crashed, disk} {
				if r, err := Check(fs, "store"); err != nil || !r.OK() {
					t.Fatalf("check: %+v, %v", r, err)
				}
			}
			wantWhole(t, OnDisk{disk}, messages)
			wantWhole(t, OnDisk{crashed.CrashClone(vfs.CrashCloneCfg{})}, messages)
			for at := 0; at < used; at += 7 * Stride {
				copied := crashed.CrashClone(vfs.CrashCloneCfg{})
				flip(t, copied, log, at, byte(1)<<(at%8))
				wantKnown(t, OnDisk{copied}, messages, fmt.Sprintf("byte %d of %d", at, used))
			}
			for _, at := range []int{used + 1, used + 5000, len(text) - 1} {
				copied := crashed.CrashClone(vfs.CrashCloneCfg{})
				flip(t, copied, log, at, 1)
				wantWhole(t, OnDisk{copied}, messages)
			}
		})
	}
}

// The zeros of one run are gone after the next.
func TestZerosDoNotAccumulate(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	for i := range 5 {
		e := openTest(t, OnDisk{disk})
		appendTest(t, e, i*messages, (i+1)*messages)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, name := range list(t, disk) {
			if _, isLog := directory.LogNumber(name); isLog {
				size += len(content(t, disk, name))
			}
		}
		if size > 600<<10 {
			t.Fatalf("after run %d the logs have %d bytes", i, size)
		}
	}
	wantWhole(t, OnDisk{disk}, 5*messages)
}
