package pebble

import (
	"errors"
	"fmt"
	"io"
	"slices"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
	"github.com/wirepost/wirepost/engine/pebble/internal/files"
)

// Directory is the directory of a replica that is not open.
type Directory struct {
	dir    string
	shards int
	of     func(channel string) int
	o      Options
}

var _ engine.ReplicaStore = (*Directory)(nil)

// NewDirectory describes the replica that OpenReplica opens with the same arguments.
func NewDirectory(dir string, shards int, of func(channel string) int, o Options) *Directory {
	o.complete()
	return &Directory{dir, shards, of, o}
}

// Open implements engine.ReplicaStore. It calls OpenReplica, and refuses a store that has
// data and is not a replica: no log leads to what it has.
func (d *Directory) Open() (engine.Replica, error) {
	reason, err := directory.Outdated(d.o.FS, d.dir)
	if err == nil && reason != "" {
		err = fmt.Errorf("%w: %s", engine.ErrOutdated, reason)
	}
	if err != nil {
		return nil, fmt.Errorf("open replica %s: %w", d.dir, err)
	}
	r, err := OpenReplica(d.dir, d.shards, d.of, d.o)
	if err != nil {
		return nil, err // not r: a nil *Replica is not a nil engine.Replica
	}
	data := false
	if !r.positions.followed {
		data, err = r.hasData()
	}
	if err == nil && data {
		err = fmt.Errorf("open replica %s: %w", d.dir, ErrNotReplica)
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Receive implements engine.ReplicaStore. It locks the directory until the receiver is
// closed.
func (d *Directory) Receive() (engine.Receiver, error) {
	r, err := d.receive()
	if err != nil {
		return nil, fmt.Errorf("receive a snapshot in %s: %w", d.dir, err)
	}
	return r, nil
}

func (d *Directory) receive() (*receiver, error) {
	vs := d.o.FS
	if err := directory.MakeSynced(vs, d.dir); err != nil {
		return nil, err
	}
	if err := directory.CheckForeign(vs, d.dir); err != nil {
		return nil, err
	}
	lock, err := directory.LockDirectory(d.dir, vs)
	if err != nil {
		return nil, err
	}
	o := d.o
	if err := errors.Join(directory.Settle(vs, d.dir), o.fit(d.dir)); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &receiver{fs: vs, dir: d.dir, incoming: vs.PathJoin(d.dir, directory.IncomingName), reserve: o.MinFree, lock: lock}, nil
}

// receiver is an engine.Receiver.
type receiver struct {
	fs       vfs.FS
	dir      string
	incoming string
	reserve  uint64 // bytes that stay free
	lock     *pdb.Lock
	files    []engine.SnapshotFile
	complete []bool
	replaced bool
}

// Begin implements engine.Receiver.
func (r *receiver) Begin(all []engine.SnapshotFile) error {
	if err := r.fs.RemoveAll(r.incoming); err != nil {
		return err
	}
	var total uint64
	known := make(map[string]bool, len(all))
	for _, f := range all {
		if err := directory.CheckSnapshotName(f.Name); err != nil {
			return err
		}
		if known[f.Name] || f.Size < 0 || total+uint64(f.Size) < total {
			return fmt.Errorf("file %q of the snapshot: it is listed twice, or its size of %d is wrong", f.Name, f.Size)
		}
		known[f.Name] = true
		total += uint64(f.Size)
	}
	if !known[directory.MarkName] {
		return fmt.Errorf("the snapshot is incomplete: it has no file %s", directory.MarkName)
	}
	if usage, err := r.fs.GetDiskUsage(r.dir); err == nil && usage.AvailBytes < total+r.reserve {
		return fmt.Errorf("%w: the snapshot has %d bytes, and %d must stay free, but only %d are", engine.ErrFull, total, r.reserve, usage.AvailBytes)
	}
	r.files, r.complete = all, make([]bool, len(all))
	return r.fs.MkdirAll(r.incoming, 0o750)
}

// Create implements engine.Receiver.
func (r *receiver) Create(file int) (io.WriteCloser, error) {
	r.complete[file] = false
	f, err := r.fs.Create(r.fs.PathJoin(r.incoming, r.files[file].Name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return &received{File: f, r: r, file: file}, nil
}

// received is a file of a snapshot that is written.
type received struct {
	vfs.File
	r       *receiver
	file    int
	written int64
}

func (f *received) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.written += int64(n)
	return n, err
}

// Close syncs the file, and reads it if it is a table.
func (f *received) Close() error {
	want := f.r.files[f.file]
	if err := errors.Join(f.File.Sync(), f.File.Close()); err != nil {
		return err
	}
	if f.written != want.Size {
		return fmt.Errorf("file %s has %d bytes of %d", want.Name, f.written, want.Size)
	}
	err := files.Verify(want.Name, func() (vfs.File, error) { return f.r.fs.Open(f.r.fs.PathJoin(f.r.incoming, want.Name)) })
	if err != nil {
		return fmt.Errorf("%w: file %s of the snapshot: %w", ErrDamaged, want.Name, err)
	}
	f.r.complete[f.file] = true
	return nil
}

// Install implements engine.Receiver.
func (r *receiver) Install() error {
	if i := slices.Index(r.complete, false); i >= 0 || len(r.files) == 0 {
		return errors.New("install a snapshot: it is incomplete")
	}
	s, err := directory.TakeSurvey(r.fs, r.incoming)
	if err == nil {
		err = s.Refusal()
	}
	if err == nil && (s.Fresh || s.Epoch() == "") {
		err = fmt.Errorf("%w: it has no store", ErrDamaged)
	}
	if err == nil {
		err = directory.Replace(r.fs, r.dir)
	}
	if err != nil {
		return fmt.Errorf("install a snapshot: %w", err)
	}
	r.replaced = true
	return nil
}

// Close implements engine.Receiver.
func (r *receiver) Close() error {
	var err error
	if !r.replaced {
		// After an error in the middle of the installation the name is another one: the next
		// start completes it.
		err = r.fs.RemoveAll(r.incoming)
	}
	return errors.Join(err, r.lock.Close())
}
