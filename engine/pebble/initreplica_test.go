package pebble

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/engine"
)

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
	r := filledReplica(t, replica, 3)
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
	r := filledReplica(t, disk, 3)
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
