package pebble

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
)

// TestReceiverRefuses: what is not a whole store does not become one.
func TestReceiverRefuses(t *testing.T) {
	t.Parallel()
	source := filledReplica(t, vfs.NewMem(), 150)
	defer source.Close()
	s, err := source.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cases := 0
	for i, file := range s.Files() {
		for what, change := range map[string]func([]byte) []byte{
			"cut":     func(b []byte) []byte { return b[:len(b)/2] },
			"flipped": func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
			"missing": nil,
		} {
			if what == "flipped" && !strings.HasSuffix(file.Name, ".sst") || file.Size == 0 && what != "missing" {
				continue
			}
			if what == "missing" && (strings.HasPrefix(file.Name, "OPTIONS") || strings.HasPrefix(file.Name, "ANCHOR")) {
				continue // the store is whole without one of them
			}
			cases++
			fs := vfs.NewMem()
			to, err := testDirectory(fs).Receive()
			if err != nil {
				t.Fatal(err)
			}
			err = copySnapshot(changed{s, i, change}, to)
			if err == nil {
				err = to.Install()
			}
			if err == nil {
				t.Errorf("%s was %s, and the snapshot was installed", file.Name, what)
			}
			if err := to.Close(); err != nil {
				t.Error(err)
			}
			if names, err := fs.List("store"); err != nil || len(names) > 1 {
				t.Errorf("left: %v, %v", names, err)
			}
		}
	}
	if cases < 6 {
		t.Errorf("%d cases", cases)
	}
}

// changed is a snapshot of which one file is not as it was.
type changed struct {
	engine.Snapshot
	file   int
	change func([]byte) []byte // nil: it is missing
}

func (c changed) Files() (all []engine.SnapshotFile) {
	for i, f := range c.Snapshot.Files() {
		if i == c.file && c.change == nil {
			f.Name = "000009.log" // an empty one
			f.Size = 0
		}
		all = append(all, f)
	}
	return all
}

func (c changed) ReadAt(file int, p []byte, at int64) (int, error) {
	if file != c.file || c.change == nil {
		return c.Snapshot.ReadAt(file, p, at)
	}
	all := make([]byte, c.Snapshot.Files()[file].Size)
	if _, err := c.Snapshot.ReadAt(file, all, 0); err != nil && err != io.EOF {
		return 0, err
	}
	all = c.change(all)
	n := 0
	if at < int64(len(all)) {
		n = copy(p, all[at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestReceiverSpace: a snapshot for which there is no space is refused at the beginning,
// and one for which it ends in the middle leaves nothing.
func TestReceiverSpace(t *testing.T) {
	t.Parallel()
	source := filledReplica(t, vfs.NewMem(), 150)
	defer source.Close()
	mem := vfs.NewMem()
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 100 << 10, TotalBytes: 1 << 30})
	if err := receive(source, testDirectory(mem)); !errors.Is(err, engine.ErrFull) {
		t.Errorf("on a full disk: %v", err)
	}
	mem = vfs.NewMem()
	written := 0
	full := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite {
			if written++; written > 3 {
				return errDiskFull
			}
		}
		return nil
	}))
	if err := receive(source, testDirectory(full)); !errors.Is(err, errDiskFull) {
		t.Errorf("on a disk that becomes full: %v", err)
	}
	if names, err := mem.List("store"); err != nil || len(names) > 1 {
		t.Errorf("left: %v, %v", names, err)
	}
}

// FuzzSnapshotNames: no name of a file leaves the directory, or is one that the store or
// the program uses for itself.
func FuzzSnapshotNames(f *testing.F) {
	for _, name := range []string{
		"000001.sst", "MANIFEST-000001", "WIREPOST", "marker.manifest.000001.MANIFEST-000001", "../000001.sst", "a/000001.sst",
		"LOCK", "ANCHOR-1", "", ".", "..", "000001.sst\n", "/000001.sst", "marker.manifest.000001.../x", "000001.sst\x00",
	} {
		f.Add(name, int64(1))
	}
	f.Fuzz(func(t *testing.T, name string, size int64) {
		fs := vfs.NewMem()
		to, err := testDirectory(fs).Receive()
		if err != nil {
			t.Fatal(err)
		}
		defer to.Close()
		if err := to.Begin([]engine.SnapshotFile{{Name: directory.MarkName, Size: 1}, {Name: name, Size: size}}); err != nil {
			return
		}
		if size < 0 || name == directory.MarkName || strings.ContainsAny(name, "/\\\x00\n:") || strings.HasPrefix(name, ".") ||
			strings.HasPrefix(name, "LOCK") || strings.HasPrefix(name, "ANCHOR-L") || strings.HasPrefix(name, directory.SnapshotName) {
			t.Fatalf("accepted: %q of %d bytes", name, size)
		}
		w, err := to.Create(1)
		if err != nil {
			t.Fatal(err)
		}
		w.Close() //nolint:errcheck // it is empty
		if names, err := fs.List("store/" + directory.IncomingName); err != nil || len(names) != 1 || names[0] != name {
			t.Fatalf("%q became %v, %v", name, names, err)
		}
	})
}
