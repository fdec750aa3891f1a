package feed

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/internal/conn"
)

// follow is a subscriber whose loop is the test.
type follow struct {
	sub   Subscription
	dirty int
	tasks []conn.Task
}

func (s *follow) MarkDirty()   { s.dirty++ }
func (s *follow) User() string { return "42" }

func newFeeds(t *testing.T, tailMemory int) (*Feeds, engine.Engine) {
	t.Helper()
	e := memory.New(memory.Options{})
	fs := New(Config{
		Durable: e, Memory: e, MemoryOnly: func(string) bool { return false }, TailMemory: tailMemory,
	})
	t.Cleanup(func() { fs.Close(); e.Close() })
	return fs, e
}

func push(t *testing.T, e engine.Engine, entries ...engine.Entry) uint64 {
	t.Helper()
	for i := range entries {
		entries[i].Channel = "news"
	}
	results, err := e.Append(t.Context(), entries)
	if err != nil {
		t.Fatal(err)
	}
	return results[len(results)-1].Seq
}

func text(s string) engine.Entry { return engine.Entry{ID: s, Data: []byte(s)} }

// seqs formats the tail's items after a sequence.
func seqs(f *Feed, after uint64) string {
	items, lagging := f.After(after, nil, 100)
	if lagging {
		return "lagging"
	}
	s := ""
	for _, it := range items {
		s += fmt.Sprint(it.Record.Seq, " ")
	}
	return s
}

// A feed begins at the head, returns the records since then, and wakes a loop once
// until the loop has run.
func TestTail(t *testing.T) {
	t.Parallel()
	fs, e := newFeeds(t, 1<<20)
	push(t, e, text("1"))
	f, err := fs.Subscribe("news")
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Unref(f)
	s := &follow{}
	s.sub = Subscription{Feed: f, Owner: s}
	loop := NewWaker(func(task conn.Task) bool { s.tasks = append(s.tasks, task); return true })
	f.Follow(&s.sub, loop)
	advanced := make(chan struct{}, 1)
	f.Listen(advanced)
	push(t, e, text("2"))
	push(t, e, text("3"))
	if len(s.tasks) != 1 || len(advanced) != 1 {
		t.Errorf("%d tasks, %d notifications", len(s.tasks), len(advanced))
	}
	s.tasks[0].Run()
	push(t, e, text("4"))
	if s.dirty != 1 || len(s.tasks) != 2 {
		t.Errorf("marked %d times, %d tasks", s.dirty, len(s.tasks))
	}
	if f.Head() != 4 || seqs(f, 1) != "2 3 4 " || seqs(f, 4) != "" || seqs(f, 0) != "lagging" {
		t.Errorf("head %d, after 1: %s, after 4: %s, after 0: %s", f.Head(), seqs(f, 1), seqs(f, 4), seqs(f, 0))
	}
	f.Forget(3)
	if seqs(f, 3) != "4 " || seqs(f, 2) != "lagging" {
		t.Errorf("after 3 were removed: %s, %s", seqs(f, 3), seqs(f, 2))
	}
	if f.Evict(time.Now()) || !f.Evict(time.Now().Add(tailAge)) || seqs(f, 4) != "" || seqs(f, 3) != "lagging" {
		t.Errorf("an idle feed has %s, %s", seqs(f, 4), seqs(f, 3))
	}
	f.Unfollow(&s.sub, loop)
	f.Unlisten(advanced)
	push(t, e, text("5"))
	if len(s.tasks) != 2 {
		t.Error("a loop without followers is woken")
	}
}

// A message revoked or replaced while in the tail is no longer sent.
func TestTailSkipsGoneMessages(t *testing.T) {
	t.Parallel()
	fs, e := newFeeds(t, 1<<20)
	f, err := fs.Subscribe("news")
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Unref(f)
	keyed := func(s string) engine.Entry { e := text(s); e.Key = "k"; return e }
	push(t, e, text("1"), keyed("2"), keyed("3"), text("4"))
	push(t, e, engine.Entry{Revokes: 1})
	gone := ""
	items, _ := f.After(0, nil, 100)
	for _, it := range items {
		if it.Gone(0) {
			gone += fmt.Sprint(it.Record.Seq, " ")
		}
	}
	if gone != "1 2 " {
		t.Errorf("gone: %s", gone)
	}
}

// After a hole, and when all tails together take too much memory, readers use the log.
func TestTailIsCut(t *testing.T) {
	t.Parallel()
	fs, e := newFeeds(t, 1)
	f, err := fs.Subscribe("news")
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Unref(f)
	push(t, e, text("1"), text("2"), text("3"))
	if seqs(f, 2) != "3 " || seqs(f, 1) != "lagging" {
		t.Errorf("without memory: %s, %s", seqs(f, 2), seqs(f, 1))
	}
	f.Appended([]*engine.Record{{Seq: 9, Prev: 7}}) // 4 to 7 are missing
	if seqs(f, 7) != "9 " || seqs(f, 3) != "lagging" {
		t.Errorf("after a hole: %s, %s", seqs(f, 7), seqs(f, 3))
	}
	if seq, err := f.Clamp(context.Background(), 100); err != nil || seq != 9 {
		t.Errorf("clamped to %d, %v", seq, err)
	}
}
