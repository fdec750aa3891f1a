package wirepost_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/engine/pebble"
)

// scheduledIDs lists what is scheduled, page by page.
func (n *node) scheduledIDs(to string) (ids []string) {
	n.t.Helper()
	for q := (wirepost.ScheduledQuery{To: to, Limit: 2}); ; {
		list, next, err := n.Scheduled(context.Background(), q)
		if err != nil {
			n.t.Fatal(err)
		}
		if len(list) == 0 {
			return ids
		}
		for _, p := range list {
			ids = append(ids, p.To+" "+p.ID)
		}
		q.After = next
	}
}

// TestScheduled: a scheduled push is delivered at its time, and once.
func TestScheduled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) {
			o.Channels = []wirepost.Policy{{Pattern: "mem", NonDurable: true}}
		})
		c, _ := n.dialV1("42&device=d")
		start := time.Now()
		for _, to := range []string{"user:42", "mem"} {
			p := wirepost.Push{To: to, Data: []byte(`"later"`), ID: "x", Delay: 10 * time.Minute}
			for i := range 2 {
				got := n.push(p)
				want := wirepost.PushResult{To: to, ID: "x", At: start.Add(10 * time.Minute), Duplicate: i == 1}
				if got.At.UnixMilli() != want.At.UnixMilli() || got.Duplicate != want.Duplicate || got.Seq != 0 || got.ID != "x" {
					t.Errorf("%+v, want %+v", got, want)
				}
			}
		}
		n.json("user:42", `"now"`)
		c.message(`"now"`)
		if got := n.scheduledIDs(""); !slices.Equal(got, []string{"mem x", "user:42 x"}) {
			t.Errorf("scheduled: %q", got)
		}
		c.message(`"later"`)
		if took := time.Since(start); took < 10*time.Minute || took > 10*time.Minute+10*time.Millisecond {
			t.Errorf("pushed after %s", took)
		}
		synctest.Wait()
		if list, _, err := n.Messages(t.Context(), "mem", 0, 10); err != nil || len(list) != 1 {
			t.Errorf("in memory: %v, %v", list, err)
		}
		if got := n.scheduledIDs(""); got != nil {
			t.Errorf("still scheduled: %q", got)
		}
		// What was pushed is not scheduled again.
		got := n.push(wirepost.Push{To: "user:42", Data: []byte(`1`), ID: "x", Delay: time.Minute})
		if !got.Duplicate || got.Seq != 2 || got.At.Sub(start) < 10*time.Minute {
			t.Errorf("scheduled again: %+v", got)
		}
		time.Sleep(time.Hour)
		if list, _, err := n.Messages(t.Context(), "user:42", 0, 10); err != nil || len(list) != 2 {
			t.Errorf("%d messages, %v", len(list), err)
		}
	})
}

// TestScheduledOrder: what is due is pushed in the order of the times, whenever it was
// scheduled, and at its time also if it was scheduled shortly before.
func TestScheduledOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t)
		c, _ := n.dialV1("42")
		time.Sleep(1234 * time.Millisecond)
		start := time.Now()
		for _, ms := range []int{700, 30, 2000, 31, 90_000} {
			n.push(wirepost.Push{To: "user:42", Data: fmt.Append(nil, ms), At: start.Add(time.Duration(ms) * time.Millisecond)})
		}
		for _, ms := range []int{30, 31, 700, 2000, 90_000} {
			c.message(fmt.Sprint(ms))
			if late := time.Since(start).Milliseconds() - int64(ms); late < 0 || late > 5 {
				t.Errorf("the push of %d ms is %d ms late", ms, late)
			}
		}
	})
}

// TestScheduledTimes refuses impossible times, and says why.
func TestScheduledTimes(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	now := time.Now()
	for _, test := range []struct {
		push        wirepost.Push
		field, text string
	}{
		{wirepost.Push{At: now.Add(-time.Minute)}, "at", "in the past"},
		{wirepost.Push{At: now.Add(367 * 24 * time.Hour)}, "at", "at most 366 days"},
		{wirepost.Push{Delay: 367 * 24 * time.Hour}, "delay", "at most 366 days"},
		{wirepost.Push{Delay: -1}, "delay", "negative"},
		{wirepost.Push{At: now.Add(time.Hour), Delay: time.Hour}, "delay", "not both"},
		{wirepost.Push{Delay: time.Hour, TTL: time.Minute}, "ttl", "before the message is pushed"},
	} {
		test.push.To, test.push.Data = "user:42", []byte("1")
		_, err := n.Push(t.Context(), test.push)
		var e *wirepost.Error
		if !errors.As(err, &e) || e.Code != wirepost.CodeBadRequest || e.Field != test.field || !strings.Contains(e.Message, test.text) {
			t.Errorf("%+v: %v", test.push, err)
		}
	}
	if _, _, err := n.Scheduled(t.Context(), wirepost.ScheduledQuery{After: "x"}); err == nil {
		t.Error("a bad cursor")
	}
	if got := n.scheduledIDs(""); got != nil {
		t.Errorf("scheduled: %q", got)
	}
}

// TestCancelScheduled cancels by target and ID, or by ID alone.
func TestCancelScheduled(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, to := range []string{"a", "b", "c", "d"} {
		for _, id := range []string{"1", "2/x"} {
			n.push(wirepost.Push{To: to, Data: []byte("1"), ID: id, Delay: time.Hour})
		}
	}
	cancel := func(id, to string, want error) {
		t.Helper()
		if err := n.CancelScheduled(t.Context(), id, to); !errors.Is(err, want) {
			t.Errorf("cancel %q for %q: %v", id, to, err)
		}
	}
	cancel("1", "b", nil)
	cancel("1", "b", wirepost.ErrNotFound)
	cancel("", "", wirepost.ErrNotFound)
	cancel("2", "", wirepost.ErrNotFound)
	cancel("2/x", "", nil)
	cancel("2/x", "a", wirepost.ErrNotFound)
	if got := n.scheduledIDs(""); !slices.Equal(got, []string{"a 1", "c 1", "d 1"}) {
		t.Errorf("scheduled: %q", got)
	}
	if got := n.scheduledIDs("c"); !slices.Equal(got, []string{"c 1"}) {
		t.Errorf("scheduled for c: %q", got)
	}
}

// TestScheduledRestart: what is scheduled survives a restart, and what became due meanwhile
// is pushed then, unless its time to live has ended.
func TestScheduledRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() *node {
		return newNode(t, func(o *wirepost.Options) {
			e, err := pebble.Open(dir, pebble.Options{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			o.Engine = e
		})
	}
	n := open()
	var last time.Time
	for i := range 20 {
		p := wirepost.Push{To: "user:42", Data: fmt.Append(nil, i), ID: fmt.Sprintf("%02d", i), Delay: time.Second + time.Duration(i)*time.Millisecond}
		if i%2 == 1 {
			p.TTL = p.Delay + time.Millisecond
		}
		last = n.push(p).At
	}
	n.push(wirepost.Push{To: "user:42", Data: []byte("1"), ID: "much later", Delay: time.Hour})
	n.stop()
	time.Sleep(time.Until(last.Add(10 * time.Millisecond))) // the times pass while it is down
	n = open()
	pushed := func() (ids []string) {
		list, _, err := n.Messages(t.Context(), "user:42", 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			ids = append(ids, m.ID)
		}
		return ids
	}
	eventually(t, "all is pushed", func() bool { return slices.Contains(pushed(), "18") && len(n.scheduledIDs("")) == 1 })
	ids := slices.DeleteFunc(pushed(), func(id string) bool { return id[1]%2 == 1 }) // those may have been in time
	if want := []string{"00", "02", "04", "06", "08", "10", "12", "14", "16", "18"}; !slices.Equal(ids, want) {
		t.Errorf("pushed: %q", ids)
	}
}

// TestScheduledClock: a clock that jumps for a while neither makes a push early nor makes
// it twice.
func TestScheduledClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var clock jumpyClock
		n := newPipeNode(t, clock.use)
		start := time.Now()
		n.push(wirepost.Push{To: "user:42", Data: []byte("1"), Delay: 5 * time.Minute})
		pushed := func() int {
			list, _, err := n.Messages(t.Context(), "user:42", 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		clock.jump(10 * time.Hour)
		time.Sleep(time.Minute)
		clock.jump(-20 * time.Hour)
		time.Sleep(time.Minute)
		clock.jump(10 * time.Hour)
		for _, at := range []time.Duration{5*time.Minute - time.Second, 5*time.Minute + time.Second, time.Hour} {
			time.Sleep(time.Until(start.Add(at)))
			synctest.Wait()
			if got := pushed(); (got == 1) != (at > 5*time.Minute) {
				t.Errorf("%d messages after %s", got, at)
			}
		}
	})
}

// TestScheduledInCluster: each scheduled push is made once by the nodes of a cluster, also if
// the one is gone that comes first.
func TestScheduledInCluster(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		const users = 30
		start := time.Now()
		for i := range users {
			ns.all[i%3].push(wirepost.Push{To: fmt.Sprintf("user:%d", i), Data: []byte("1"), ID: "x", Delay: time.Minute})
			ns.all[i%3].push(wirepost.Push{To: fmt.Sprintf("user:%d", i), Data: []byte("2"), ID: "y", Delay: 2 * time.Minute})
		}
		count := func(n *node) (total int) {
			t.Helper()
			for i := range users {
				list, _, err := n.Messages(t.Context(), fmt.Sprintf("user:%d", i), 0, 100)
				if err != nil {
					t.Fatal(err)
				}
				total += len(list)
			}
			return total
		}
		time.Sleep(time.Until(start.Add(time.Minute - time.Second)))
		if got := count(ns.all[0]); got != 0 {
			t.Errorf("%d pushes are early", got)
		}
		time.Sleep(1500 * time.Millisecond)
		if got := count(ns.all[1]); got != users {
			t.Errorf("%d pushes of %d", got, users)
		}
		ns.all[2].stop()
		time.Sleep(time.Until(start.Add(2*time.Minute + 2*time.Second)))
		for _, n := range ns.all[:2] {
			if got := count(n); got != 2*users {
				t.Errorf("%d pushes of %d", got, 2*users)
			}
		}
	})
}

// TestScheduledInMemory: an engine in memory refuses what it has no room for.
func TestScheduledInMemory(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.Engine = memory.New(memory.Options{MaxBytes: 64 << 10}) })
	data := []byte(`"` + strings.Repeat("x", 1000) + `"`)
	for i := range 100 {
		_, err := n.Push(t.Context(), wirepost.Push{To: "a", Data: data, Delay: time.Hour})
		if err == nil {
			continue
		}
		if e := wirepost.AsError(err); e.Code != wirepost.CodeUnavailable || i < 20 {
			t.Errorf("push %d: %v", i, err)
		}
		n.json("a", "1") // messages have the other half
		return
	}
	t.Error("everything fits")
}
