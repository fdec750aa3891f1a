package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
)

var testBegin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

func testDirectory(fs vfs.FS) *Directory {
	return NewDirectory("store", replicaShards, shardByEnd, Options{
		FS: fs, Logger: slog.New(slog.DiscardHandler), MemTableBytes: 64 << 10, StallAfter: time.Hour,
	})
}

// copySnapshot writes a snapshot to a receiver.
func copySnapshot(s engine.Snapshot, to engine.Receiver) error {
	files := s.Files()
	if err := to.Begin(files); err != nil {
		return err
	}
	for i, file := range files {
		w, err := to.Create(i)
		if err != nil {
			return err
		}
		content := io.NewSectionReader(readerAt(func(p []byte, at int64) (int, error) { return s.ReadAt(i, p, at) }), 0, file.Size)
		_, err = io.Copy(w, content)
		if err := errors.Join(err, w.Close()); err != nil {
			return err
		}
	}
	return nil
}

type readerAt func(p []byte, at int64) (int, error)

func (f readerAt) ReadAt(p []byte, at int64) (int, error) { return f(p, at) }

// receive installs a snapshot of a replica in a directory.
func receive(r *Replica, d *Directory) error {
	s, err := r.Snapshot(context.Background())
	if err != nil {
		return err
	}
	to, err := d.Receive()
	if err != nil {
		return errors.Join(err, s.Close())
	}
	err = copySnapshot(s, to)
	if err == nil {
		err = to.Install()
	}
	return errors.Join(err, to.Close(), s.Close())
}

// TestSnapshotAgrees takes snapshots of a replica while batches are applied to it. Each is
// a whole store, and has the same answers and keys as the replica once it has applied the
// rest of the log.
func TestSnapshotAgrees(t *testing.T) {
	t.Parallel()
	for seed := uint64(0); seed < 4; seed += Stride {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			l := &randomLog{rnd: rand.New(rand.NewPCG(seed, 2))}
			logs := make([][]*engine.Batch, replicaShards)
			for shard := range logs {
				l.time[shard] = testBegin
				for range 600 {
					logs[shard] = append(logs[shard], l.next(shard))
				}
			}
			source := openTestReplica(t, OnDisk{vfs.NewMem()})
			defer source.Close()
			var running sync.WaitGroup
			defer running.Wait()
			// Some at a time of the log, not as many as the machine can take meanwhile.
			due := make(chan struct{}, 1)
			for shard, log := range logs {
				running.Go(func() {
					if shard == 0 {
						defer close(due)
					}
					for i, b := range log {
						if _, err := source.Apply(t.Context(), b); err != nil {
							t.Error(err)
							return
						}
						if shard == 0 && i%100 == 0 {
							select {
							case due <- struct{}{}:
							default:
							}
						}
					}
				})
			}
			var copies []vfs.FS
			for last := false; !last; {
				if _, more := <-due; !more {
					running.Wait()
					last = true
				}
				fs := vfs.NewMem()
				atLeast, _, _ := source.Applied(0)
				if err := receive(source, testDirectory(fs)); err != nil {
					t.Fatal(err)
				}
				// The read marks of the log are random, so messages before them are missing.
				if r, err := Check(fs, "store"); err != nil || len(r.Damage) > 0 {
					t.Fatalf("%+v, %v", r, err)
				}
				r := openTestReplica(t, fs)
				if at, _, _ := r.Applied(0); at < atLeast {
					t.Errorf("the snapshot is at %d, and was taken after %d", at, atLeast)
				}
				if r.Epoch() != source.Epoch() {
					t.Errorf("epoch %s, want %s", r.Epoch(), source.Epoch())
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
				copies = append(copies, fs)
			}
			running.Wait()
			for _, fs := range copies {
				r := openTestReplica(t, fs)
				for shard, log := range logs {
					at, _, _ := r.Applied(shard)
					for _, b := range log[at:] {
						if _, err := r.Apply(t.Context(), b); err != nil {
							t.Fatal(err)
						}
					}
				}
				compareReplicas(t, source, r)
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
			t.Logf("%d snapshots", len(copies))
			if names, err := source.fs.List("store"); err != nil || strings.Contains(fmt.Sprint(names), directory.SnapshotName) {
				t.Errorf("left: %v, %v", names, err)
			}
		})
	}
}

// filledReplica opens a replica and applies batches of a message each up to a position of
// shard 0.
func filledReplica(t *testing.T, fs vfs.FS, through uint64) *Replica {
	t.Helper()
	r := openTestReplica(t, fs)
	applyTest(t, r, through)
	return r
}

// applyTest applies batches of a message each up to a position of shard 0.
func applyTest(t *testing.T, r *Replica, through uint64) {
	t.Helper()
	at, _, _ := r.Applied(0)
	for at++; at <= through; at++ {
		b := &engine.Batch{Position: at, Time: testBegin, Changes: []engine.Change{
			{Entry: &engine.Entry{Channel: "c0", ID: fmt.Sprint(at), Data: make([]byte, 1000)}},
		}}
		if _, err := r.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSnapshotFails: a disk that does not take a snapshot does not stop the replica, and
// the next snapshot works.
func TestSnapshotFails(t *testing.T) {
	t.Parallel()
	var left atomic.Int64 // operations in the snapshot's directory until they fail
	left.Store(1 << 40)
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		mutates := op.Kind.ReadOrWrite() == errorfs.OpIsWrite
		inside := strings.Contains(op.Path, directory.SnapshotName) || op.Kind == errorfs.OpLink
		if mutates && inside && op.Kind != errorfs.OpRemoveAll && left.Add(-1) < 0 {
			return errDiskFull
		}
		return nil
	}))
	r := filledReplica(t, fs, 200)
	defer r.Close()
	failed := 0
	for n := int64(0); ; n++ {
		left.Store(n)
		err := receive(r, testDirectory(vfs.NewMem()))
		if err == nil {
			break
		}
		if failed++; !errors.Is(err, errDiskFull) {
			t.Fatalf("after %d operations: %v", n, err)
		}
		at, _, _ := r.Applied(0)
		applyTest(t, r, at+1)
		if err := r.Ready(); err != nil {
			t.Fatalf("after %d operations: %v", n, err)
		}
	}
	if failed < 8 {
		t.Errorf("only %d operations failed", failed)
	}
}

var errDiskFull = errors.New("no space left on device")

// TestOneSnapshot: there is one at a time, and the next start removes one that was left.
func TestOneSnapshot(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	r := filledReplica(t, fs, 10)
	s, err := r.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Snapshot(t.Context()); !errors.Is(err, engine.ErrSnapshotOpen) {
		t.Errorf("a second snapshot: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err = r.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = openTestReplica(t, fs)
	defer r.Close()
	if _, err := fs.Stat("store/" + directory.SnapshotName); err == nil {
		t.Error("the snapshot of the last run is still there")
	}
	if at, _, _ := r.Applied(0); at != 10 {
		t.Errorf("position %d", at)
	}
}
