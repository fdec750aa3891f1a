package enginetest

import (
	"sync"
	"testing"

	"github.com/wirepost/wirepost/engine"
)

// watcher collects the records it is notified of, under its own lock.
type watcher struct {
	mu      sync.Mutex
	records []*engine.Record
}

func (w *watcher) Appended(records []*engine.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records = append(w.records, records...)
}

func (w *watcher) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.records)
}

// A watcher gets exactly the records after the head that Watch returned, while
// others append.
func testWatchBoundary(t *testing.T, e engine.Engine, _ *Clock) {
	const rounds = 50
	stop := make(chan struct{})
	var publishers sync.WaitGroup
	for range 4 {
		publishers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := e.Append(t.Context(), []engine.Entry{message("a", "x"), message("a", "y")}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range rounds {
		w := new(watcher)
		head, err := e.Watch(t.Context(), "a", w)
		if err != nil {
			t.Fatal(err)
		}
		mine := appendAll(t, e, message("a", "mine"))[0]
		e.Unwatch("a", w)
		checkChain(t, w.records, head)
		if last := w.records[len(w.records)-1]; last.Seq < mine.Seq {
			t.Fatalf("notified only up to %d after the append of %d returned", last.Seq, mine.Seq)
		}
	}
	close(stop)
	publishers.Wait()
}

// checkChain checks that records follow a sequence without a hole.
func checkChain(t *testing.T, records []*engine.Record, after uint64) {
	t.Helper()
	for _, r := range records {
		if r.Prev != after {
			t.Fatalf("record %d follows %d, want %d", r.Seq, r.Prev, after)
		}
		after = r.Seq
	}
}

func testWatchSeveral(t *testing.T, e engine.Engine, _ *Clock) {
	a, b, other := new(watcher), new(watcher), new(watcher)
	watch := func(channel string, w *watcher, want uint64) {
		t.Helper()
		head, err := e.Watch(t.Context(), channel, w)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "head", head, want)
	}
	watch("x", a, 0)
	watch("y", other, 0)
	appendAll(t, e, message("x", "1"))
	watch("x", b, 1)
	appendAll(t, e, message("x", "2"), message("y", "1"), engine.Entry{Channel: "x", Revokes: 1})
	e.Unwatch("x", a)
	e.Unwatch("x", a) // not watching: no effect
	appendAll(t, e, message("x", "3"))
	all := read(t, e, "x", 0).Records // 2, its revocation of 1, 3
	equal(t, "a", a.records[1:], all[:2])
	equal(t, "b", b.records, all)
	equal(t, "other", other.records, read(t, e, "y", 0).Records)
}

func testUnwatch(t *testing.T, e engine.Engine, _ *Clock) {
	stop := make(chan struct{})
	var publisher sync.WaitGroup
	publisher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := e.Append(t.Context(), []engine.Entry{message("a", "x")}); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for range 50 {
		w := new(watcher)
		if _, err := e.Watch(t.Context(), "a", w); err != nil {
			t.Fatal(err)
		}
		appendAll(t, e, message("b", "x"))
		e.Unwatch("a", w)
		n := len(w.records) // without the lock: no more calls are allowed
		appendAll(t, e, message("a", "y"))
		equal(t, "after unwatch", len(w.records), n)
	}
	close(stop)
	publisher.Wait()
}
