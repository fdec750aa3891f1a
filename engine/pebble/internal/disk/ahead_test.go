package disk

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A log holds what was written and zeros up to the end of a page, whatever the sizes of
// the writes.
func TestAheadOfLog(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	memory := vfs.NewMem()
	f := create(t, NewAhead(onDisk{FS: memory}), "000007.log")
	var written []byte
	for range 40 {
		p := bytes.Repeat([]byte{byte(1 + random.IntN(255))}, 1+random.IntN(20_000))
		write(t, f, p)
		written = append(written, p...)
		got := content(t, memory, "000007.log")
		if !bytes.HasPrefix(got, written) || len(bytes.TrimRight(got, "\x00")) != len(written) {
			t.Fatalf("after %d bytes the file is not those and zeros", len(written))
		}
		if len(got)%pageSize != 0 || len(got) > len(written)+aheadBytes {
			t.Fatalf("after %d bytes the file has %d", len(written), len(got))
		}
	}
}

// An append inside of the zeros is nothing but that write: the file does not grow.
func TestAheadGrowsSeldom(t *testing.T) {
	t.Parallel()
	memory := vfs.NewMem()
	f := create(t, NewAhead(onDisk{FS: memory}), "000007.log")
	grown, size := 0, int64(0)
	for range 3000 {
		write(t, f, make([]byte, 300))
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != size {
			grown, size = grown+1, info.Size()
		}
	}
	if want := 3000*300/(aheadBytes-pageSize) + 1; grown == 0 || grown > want {
		t.Errorf("it grew %d times, at most %d were expected", grown, want)
	}
}

// What a reused log holds is overwritten by Pebble only, and zeros follow when it grows.
func TestAheadOfReusedLog(t *testing.T) {
	t.Parallel()
	memory := vfs.NewMem()
	before := bytes.Repeat([]byte{9}, 10_000)
	f := create(t, memory, "000007.log")
	write(t, f, before)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := NewAhead(onDisk{FS: memory}).ReuseForWrite("000007.log", "000009.log", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(before)
	for i := range 10 {
		p := bytes.Repeat([]byte{byte(1 + i)}, 1000)
		write(t, f, p)
		copy(want[i*1000:], p)
		if got := content(t, memory, "000009.log"); !bytes.Equal(got, want) {
			t.Fatalf("after write %d the file has %d bytes or others than expected", i, len(got))
		}
	}
	write(t, f, []byte{1})
	want = append(want, 1)
	if got := content(t, memory, "000009.log"); len(got) < len(want)+aheadBytes-pageSize || !bytes.Equal(bytes.TrimRight(got, "\x00"), want) {
		t.Fatalf("the file has %d bytes or others than expected", len(got))
	}
}

// Without space for zeros the log is written without them, and nothing fails.
func TestAheadWithoutSpace(t *testing.T) {
	t.Parallel()
	memory := vfs.NewMem()
	tries := 0
	f := create(t, NewAhead(onDisk{FS: memory, full: &tries}), "000007.log")
	for range 3 {
		write(t, f, []byte("record"))
	}
	if got := content(t, memory, "000007.log"); string(got) != "recordrecordrecord" {
		t.Errorf("the log holds %q", got)
	}
	if tries != 1 {
		t.Errorf("%d attempts to write zeros", tries)
	}
}

// Other files, and logs in memory, are left alone.
func TestAheadOfNothingElse(t *testing.T) {
	t.Parallel()
	memory := vfs.NewMem()
	for name, fs := range map[string]vfs.FS{
		"000008.sst": onDisk{FS: memory}, "MANIFEST-000001": onDisk{FS: memory}, "ANCHOR-LOG": onDisk{FS: memory}, "000009.log": memory,
	} {
		write(t, create(t, NewAhead(fs), name), []byte("text"))
		if got := content(t, memory, name); string(got) != "text" {
			t.Errorf("%s has %d bytes", name, len(got))
		}
	}
}

// onDisk is a file system in memory whose files have descriptors, as those of a disk do.
type onDisk struct {
	vfs.FS
	full *int // if not nil, there is no space for zeros, and attempts are counted
}

type fileOnDisk struct {
	vfs.File
	full *int
}

func (d onDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return fileOnDisk{f, d.full}, err
}

func (d onDisk) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(old, name, c)
	return fileOnDisk{f, d.full}, err
}

func (fileOnDisk) Fd() uintptr { return 3 }

func (f fileOnDisk) WriteAt(p []byte, at int64) (int, error) {
	if f.full != nil {
		*f.full++
		return 0, syscall.ENOSPC
	}
	return f.File.WriteAt(p, at)
}

func create(t *testing.T, fs vfs.FS, name string) vfs.File {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func write(t *testing.T, f vfs.File, p []byte) {
	t.Helper()
	p = slices.Clone(p) // with the race detector, Write changes it
	if n, err := f.Write(p); n != len(p) || err != nil {
		t.Fatal(n, err)
	}
}

func content(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
