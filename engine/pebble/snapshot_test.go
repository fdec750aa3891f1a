package pebble

import (
	"bytes"
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
	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
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
	r := openTestReplica(t, fs)
	defer r.Close()
	applyTest(t, r, 200)
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
	r := openTestReplica(t, fs)
	applyTest(t, r, 10)
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

// TestReplaceCrash loses power after every operation of receiving and installing a
// snapshot, and of the completion after a first crash. The store is always the old one or
// the new one.
func TestReplaceCrash(t *testing.T) {
	t.Parallel()
	source := openTestReplica(t, vfs.NewMem())
	defer source.Close()
	applyTest(t, source, 150)
	for name, old := range map[string]uint64{"empty": 0, "behind": 70} {
		t.Run(name, func(t *testing.T) {
			for _, percent := range []int{0, 50, 100} {
				disk := vfs.NewCrashableMem()
				if old > 0 {
					r := openTestReplica(t, disk)
					applyTest(t, r, old)
					if err := r.Outdate("it is behind"); err != nil {
						t.Fatal(err)
					}
					if err := r.Close(); err != nil {
						t.Fatal(err)
					}
				}
				cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(1, 1))}
				seen := map[uint64]int{}
				for i, crashed := range crashes(disk, cfg, func(fs vfs.FS) {
					if err := receive(source, testDirectory(fs)); err != nil {
						t.Fatal(err)
					}
				}) {
					// The completion crashes, too, at one of its operations.
					again := crashes(crashed, cfg, func(fs vfs.FS) {
						if err := directory.Settle(fs, "store"); err != nil && old > 0 {
							t.Fatalf("crash %d: %v", i, err)
						}
					})
					if len(again) > 0 {
						crashed = again[cfg.RNG.IntN(len(again))]
					}
					r := openTestReplica(t, crashed)
					at, _, _ := r.Applied(0)
					if at != old && at != 150 {
						t.Errorf("crash %d: position %d", i, at)
					}
					seen[at]++
					if reason, err := directory.Outdated(crashed, "store"); err != nil || (reason == "it is behind") != (at == 70) {
						t.Errorf("crash %d: at %d it is outdated because %q, %v", i, at, reason, err)
					}
					if b, err := r.Bounds(t.Context(), "c0"); err != nil || b.Head != at {
						t.Errorf("crash %d: %+v, %v at position %d", i, b, err, at)
					}
					if err := r.Close(); err != nil {
						t.Error(err)
					}
					if rep, err := Check(crashed, "store"); err != nil || !rep.OK() {
						t.Errorf("crash %d: %+v, %v", i, rep, err)
					}
				}
				if seen[old] == 0 || seen[150] == 0 {
					t.Errorf("positions after the crashes: %v", seen)
				}
			}
		})
	}
}

// crashes runs do, and returns what power cuts before each of its changes leave.
func crashes(disk *vfs.MemFS, cfg vfs.CrashCloneCfg, do func(vfs.FS)) (all []*vfs.MemFS) {
	var mu sync.Mutex // a store writes from several goroutines
	do(errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, disk.CrashClone(cfg))
		}
		return nil
	})))
	return append(all, disk.CrashClone(cfg))
}

// TestOutdated: a replica that must be replaced is not opened before it is, except as a
// store of its own.
func TestOutdated(t *testing.T) {
	t.Parallel()
	source := openTestReplica(t, vfs.NewMem())
	defer source.Close()
	applyTest(t, source, 20)
	fs := vfs.NewMem()
	outdate := func() {
		r := openTestReplica(t, fs)
		applyTest(t, r, 10)
		if err := errors.Join(r.Outdate("it is behind"), r.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := testDirectory(fs).Open(); !errors.Is(err, engine.ErrOutdated) || !strings.Contains(err.Error(), "it is behind") {
			t.Fatalf("%v", err)
		}
	}
	outdate()
	if err := receive(source, testDirectory(fs)); err != nil {
		t.Fatal(err)
	}
	r, err := testDirectory(fs).Open()
	if err != nil {
		t.Fatal(err)
	}
	if at, _, _ := r.Applied(0); at != 20 {
		t.Errorf("position %d", at)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	outdate()
	if err := openTest(t, fs).Close(); err != nil {
		t.Fatal(err)
	}
	if reason, err := directory.Outdated(fs, "store"); reason != "" || err != nil {
		t.Errorf("a store of its own is outdated: %q, %v", reason, err)
	}
}

// TestReceiverRefuses: what is not a whole store does not become one.
func TestReceiverRefuses(t *testing.T) {
	t.Parallel()
	source := openTestReplica(t, vfs.NewMem())
	defer source.Close()
	applyTest(t, source, 150)
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

// TestCheckExpiredKey: a message that had expired before a later one with its key came is
// no damage until it is swept, also if the later one is gone.
func TestCheckExpiredKey(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	r := openTestReplica(t, fs)
	for i, ch := range []engine.Entry{
		{ID: "1", Key: "a", TTL: time.Second},
		{ID: "2", Key: "b", TTL: time.Second},
		{ID: "3", Key: "a"},
		{ID: "4", Key: "b"},
		{ID: "5", Revokes: 4},
	} {
		ch.Channel = "c0"
		b := &engine.Batch{Position: uint64(i) + 1, Time: testBegin + int64(i/2)*10_000, Changes: []engine.Change{{Entry: &ch}}}
		if _, err := r.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if rep, err := Check(fs, "store"); err != nil || !rep.OK() || rep.Records != 4 {
		t.Errorf("%+v, %v", rep, err)
	}
	r = openTestReplica(t, fs)
	err := r.committer.Do(t.Context(), true, false, nil, func(c *stage.Changes) error {
		c.Delete(format.KeyKey(nil, format.PairName("c0", "a")))
		return nil
	})
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	if rep, err := Check(fs, "store"); err != nil || len(rep.Damage) != 1 {
		t.Errorf("an index without a message: %+v, %v", rep, err)
	}
}

// singleStore is a store with messages, a revocation, a membership, a mark and cursors.
func singleStore(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewCrashableMem()
	e := openTest(t, fs)
	appendTest(t, e, 0, 20)
	if _, err := e.Append(t.Context(), []engine.Entry{{Channel: "room", Revokes: 7}}); err != nil {
		t.Fatal(err)
	}
	up := engine.Update{
		User: "42", Join: []string{"room"}, Marks: []engine.Mark{{Channel: "room", Read: 5}},
		Devices: []engine.Device{{Name: "d", Used: 1, Cursors: []engine.Cursor{{Channel: "room", Seq: 9}}}},
	}
	if err := e.Save(t.Context(), []engine.Update{up}, true); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return fs
}

type storeAnswers struct {
	Epoch   string
	Page    engine.Page
	User    engine.User
	Members []string
}

func answersOfStore(t *testing.T, e engine.Engine) (s storeAnswers) {
	t.Helper()
	var err [3]error
	s.Epoch = e.Epoch()
	s.Page, err[0] = e.Read(t.Context(), "room", 0, 1000, 1<<20)
	s.User, err[1] = e.Load(t.Context(), "42")
	s.Members, err[2] = e.Members(t.Context(), "room", "", 10)
	if err := errors.Join(err[:]...); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestStoreAndReplica: a store becomes the first replica of a cluster, and a store again,
// with everything that was in it, and a crash on the way leaves one of them.
func TestStoreAndReplica(t *testing.T) {
	t.Parallel()
	single := singleStore(t)
	fs := single
	e := openTest(t, single)
	want := answersOfStore(t, e)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	o := Options{Logger: silent}
	replicas := 0
	var all []*vfs.MemFS
	for _, percent := range []int{0, 100} { // in between, Pebble's own files may not fit
		rnd := rand.New(rand.NewPCG(1, 1))
		fs = single.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rnd})
		cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rnd}
		all = append(all, crashes(fs, cfg, func(fs vfs.FS) {
			o.FS = fs
			if err := InitReplica("store", replicaShards, o); err != nil {
				t.Fatal(err)
			}
		})...)
	}
	for i, crashed := range all {
		r, err := testDirectory(crashed).Open()
		switch {
		case errors.Is(err, ErrNotReplica):
		case err != nil:
			t.Fatalf("crash %d: %v", i, err)
		default:
			replicas++
			if diff := cmp.Diff(want, answersOfStore(t, r)); diff != "" {
				t.Errorf("crash %d: (-store +replica)\n%s", i, diff)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
		e := openTest(t, crashed)
		if diff := cmp.Diff(want, answersOfStore(t, e)); diff != "" {
			t.Errorf("crash %d: (-store before +after)\n%s", i, diff)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if replicas == 0 || replicas == len(all) {
		t.Errorf("%d replicas after %d crashes", replicas, len(all))
	}

	// It goes on as a replica, and then as a store.
	r, err := testDirectory(fs).Open()
	if err != nil {
		t.Fatal(err)
	}
	b := &engine.Batch{Position: 1, Time: time.Now().Add(time.Hour).UnixMilli(), Changes: []engine.Change{{Entry: &engine.Entry{Channel: "room", ID: "x"}}}}
	got, err := r.Apply(t.Context(), b)
	if err != nil || got[0].Seq != want.Page.Records[len(want.Page.Records)-1].Seq+1 {
		t.Errorf("%+v, %v", got, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	e, err = Open("store", Options{FS: fs, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(logged.String(), "followed the log of a cluster") {
		t.Errorf("logged: %s", logged.String())
	}
	if now := answersOfStore(t, e); now.Epoch != want.Epoch || len(now.Page.Records) != len(want.Page.Records)+1 || !cmp.Equal(now.User, want.User) {
		t.Errorf("%+v", now)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := testDirectory(fs).Open(); !errors.Is(err, ErrNotReplica) {
		t.Errorf("a replica that was changed without its log is opened as one: %v", err)
	}
}

// TestInitReplicaRefuses: what is no stopped store with data stays as it is.
func TestInitReplicaRefuses(t *testing.T) {
	t.Parallel()
	replica, used, empty, foreign := vfs.NewMem(), vfs.NewMem(), vfs.NewMem(), vfs.NewMem()
	r := openTestReplica(t, replica)
	applyTest(t, r, 3)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	open := openTest(t, used)
	defer open.Close()
	if err := openTest(t, empty).Close(); err != nil {
		t.Fatal(err)
	}
	if err := foreign.MkdirAll("store", 0o700); err != nil {
		t.Fatal(err)
	}
	for want, fs := range map[string]vfs.FS{
		"is a replica of a cluster already": replica,
		"in use by another process":         used,
		"has no data":                       empty,
		"not a wirepost store":              foreign,
		"does not exist":                    vfs.NewMem(),
	} {
		err := InitReplica("store", replicaShards, Options{FS: fs, Logger: silent})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	founder := singleStore(t)
	if err := InitReplica("store", replicaShards, Options{FS: founder, Logger: silent}); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReplica("store", replicaShards-1, shardByEnd, Options{FS: founder, Logger: silent}); err == nil || !strings.Contains(err.Error(), "more than 1 shards") {
		t.Errorf("with fewer shards: %v", err)
	}
	if names, err := foreign.List("store"); err != nil || len(names) > 0 {
		t.Errorf("%v, %v", names, err)
	}
}

// TestSetEpochCrash: a crash while the epoch of a replica is set leaves the one or the other.
func TestSetEpochCrash(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	r := openTestReplica(t, disk)
	applyTest(t, r, 3)
	old := r.Epoch()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, percent := range []int{0, 100} { // in between, Pebble's own files may not fit
		cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(1, 1))}
		for i, crashed := range crashes(disk.CrashClone(vfs.CrashCloneCfg{}), cfg, func(fs vfs.FS) {
			r := openTestReplica(t, fs)
			if err := r.SetEpoch("new"); err != nil || r.Epoch() != "new" {
				t.Fatal(r.Epoch(), err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}) {
			r := openTestReplica(t, crashed)
			seen[r.Epoch()]++
			if at, _, _ := r.Applied(0); at != 3 || r.Epoch() != old && r.Epoch() != "new" {
				t.Errorf("crash %d: position %d, epoch %s", i, at, r.Epoch())
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if seen[old] == 0 || seen["new"] == 0 {
		t.Errorf("%v", seen)
	}
}

// TestReceiverSpace: a snapshot for which there is no space is refused at the beginning,
// and one for which it ends in the middle leaves nothing.
func TestReceiverSpace(t *testing.T) {
	t.Parallel()
	source := openTestReplica(t, vfs.NewMem())
	defer source.Close()
	applyTest(t, source, 150)
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
