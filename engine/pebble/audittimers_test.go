package pebble

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

func storeWithTimers(t *testing.T) (*vfs.MemFS, *Engine) {
	t.Helper()
	disk := vfs.NewMem()
	e, err := Open("store", Options{FS: disk, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(5) {
		in := engine.Entry{Channel: "a", ID: fmt.Sprint(i), Bare: true}
		in.Sets = &engine.Timer{Kind: engine.TimerPush, ID: in.ID, Due: 100 + i, Data: []byte("data")}
		if i%2 == 0 {
			in.Bare, in.Sets.Kind = false, engine.TimerStep
		}
		if _, err := e.Append(t.Context(), []engine.Entry{in}); err != nil {
			t.Fatal(err)
		}
	}
	return disk, e
}

// TestSalvageTimers: timers are in the store that Salvage writes.
func TestSalvageTimers(t *testing.T) {
	t.Parallel()
	disk, e := storeWithTimers(t)
	want, _, err := e.DueTimers(t.Context(), 1000, 100)
	if err = errors.Join(err, e.Close()); err != nil || len(want) != 5 {
		t.Fatal(want, err)
	}
	if r, err := Salvage(disk, "store", "saved"); err != nil || !r.OK() {
		t.Fatalf("%+v, %v", r, err)
	}
	if r, err := Check(disk, "saved"); err != nil || !r.OK() {
		t.Fatalf("%+v, %v", r, err)
	}
	e, err = Open("saved", Options{FS: disk, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if got, _, err := e.DueTimers(t.Context(), 1000, 100); err != nil || !cmp.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestCheckTimers: a timer that an index lacks, and an entry of an index without a timer, are
// reported.
func TestCheckTimers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(c *stage.Changes)
		report []string
	}{
		"by time": {
			func(c *stage.Changes) { c.Delete(format.DueKey(nil, 100, engine.TimerStep, "a", "0")) },
			[]string{"is missing in the index by time"},
		},
		"by ID": {
			func(c *stage.Changes) { c.Delete(format.NameKey(nil, engine.TimerPush, "1", "a")) },
			[]string{`timer "1" of channel "a" is missing in the index by ID`},
		},
		"timer": {
			func(c *stage.Changes) { c.Delete(format.TimerKey(nil, engine.TimerPush, "a", "3")) },
			[]string{"which is no timer", "which is no timer"},
		},
		"unreadable": {
			func(c *stage.Changes) { c.Set(format.TimerKey(nil, engine.TimerStep, "b", "1"), []byte{9}) },
			[]string{"cannot be read"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk, e := storeWithTimers(t)
			err := e.committer.Do(t.Context(), committer.Mode{Sync: true}, nil, func(c *stage.Changes) error {
				test.change(c)
				return nil
			})
			if err = errors.Join(err, e.Close()); err != nil {
				t.Fatal(err)
			}
			r, err := Check(disk, "store")
			if err != nil || len(r.Damage) != len(test.report) {
				t.Fatalf("%d of %d: %+v, %v", len(r.Damage), len(test.report), r, err)
			}
			for i, want := range test.report {
				if got := fmt.Sprint(r.Damage[i]); !strings.Contains(got, want) {
					t.Errorf("%s", got)
				}
			}
		})
	}
}
