package pebble

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/wirepost/wirepost/engine"
)

// TestRestore: a restored store has what the other one had at the snapshot, and another
// epoch, also if the other one was a replica.
func TestRestore(t *testing.T) {
	t.Parallel()
	fs := singleStore(t)
	e := openTest(t, fs)
	s, err := e.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Snapshot(t.Context()); !errors.Is(err, engine.ErrSnapshotOpen) {
		t.Errorf("a second snapshot: %v", err)
	}
	want := answersOfStore(t, e)
	appendTest(t, e, 20, 30)
	to := vfs.NewMem()
	o := testDirectory(to).o
	epoch, err := Restore("store", o, func(r engine.Receiver) error { return copySnapshot(s, r) })
	if err != nil || epoch == "" || epoch == want.Epoch {
		t.Fatal(epoch, err)
	}
	restored := openTest(t, to)
	got := answersOfStore(t, restored)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(storeAnswers{}, "Epoch")); diff != "" || got.Epoch != epoch {
		t.Errorf("epoch %s, want %s; (-want +got):\n%s", got.Epoch, epoch, diff)
	}
	if _, err := Restore("store", o, nil); err == nil || !strings.Contains(err.Error(), "there is a store already") {
		t.Errorf("over a store: %v", err)
	}
	if err := errors.Join(s.Close(), e.Close(), restored.Close()); err != nil {
		t.Error(err)
	}
}

// TestRestoreReplica: the copy of a replica is a store of its own.
func TestRestoreReplica(t *testing.T) {
	t.Parallel()
	r := filledReplica(t, vfs.NewMem(), 20)
	s, err := r.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to := vfs.NewMem()
	if _, err := Restore("store", testDirectory(to).o, func(r engine.Receiver) error { return copySnapshot(s, r) }); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	e := openTest(t, to)
	appendTest(t, e, 100, 101) // which a replica refuses
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestRestoreCrash: what a crash during Restore leaves is no store, or one that has
// everything and another epoch.
func TestRestoreCrash(t *testing.T) {
	t.Parallel()
	e := openTest(t, singleStore(t))
	want := answersOfStore(t, e)
	s, err := e.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[bool]int{}
	for i, crashed := range crashes(vfs.NewCrashableMem(), vfs.CrashCloneCfg{}, func(fs vfs.FS) {
		if _, err := Restore("store", testDirectory(fs).o, func(r engine.Receiver) error { return copySnapshot(s, r) }); err != nil {
			t.Fatal(err)
		}
	}) {
		again := openTest(t, crashed)
		whole := answersOfStore(t, again).Page.Next > 0
		seen[whole]++
		if again.Epoch() == want.Epoch {
			t.Errorf("crash %d: the store has the old epoch", i)
		}
		if whole {
			if diff := cmp.Diff(want, answersOfStore(t, again), cmpopts.IgnoreFields(storeAnswers{}, "Epoch")); diff != "" {
				t.Errorf("crash %d (-want +got):\n%s", i, diff)
			}
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("whole: %v", seen)
	}
	if err := errors.Join(s.Close(), e.Close()); err != nil {
		t.Error(err)
	}
}

// TestRestoreFails: what fails leaves no store, so that it can be tried again.
func TestRestoreFails(t *testing.T) {
	t.Parallel()
	e := openTest(t, singleStore(t))
	s, err := e.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	to := vfs.NewMem()
	o := testDirectory(to).o
	failed := errors.New("the backup is incomplete")
	if _, err := Restore("store", o, func(r engine.Receiver) error {
		if err := copySnapshot(s, r); err != nil {
			t.Error(err)
		}
		return failed
	}); !errors.Is(err, failed) {
		t.Error(err)
	}
	if _, err := Restore("store", o, func(r engine.Receiver) error { return copySnapshot(s, r) }); err != nil {
		t.Error(err)
	}
	if err := errors.Join(s.Close(), e.Close()); err != nil {
		t.Error(err)
	}
}
