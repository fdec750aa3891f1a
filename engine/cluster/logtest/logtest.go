package logtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine/cluster"
)

// Run checks a log against the contract. Open makes a log with some shards, and one more for
// memory-only channels, which is empty
// the first time; a further call of the function that it returns opens the same log again.
func Run(t *testing.T, shards int, open func(t *testing.T) (again func(t *testing.T) cluster.Log)) {
	for name, test := range map[string]func(*testing.T, func(*testing.T) cluster.Log, int){
		"Order": testOrder, "Concurrent": testConcurrent, "Shards": testShards, "Trim": testTrim,
		"Restart": testRestart, "Memory": testMemory, "Again": testAgain, "Ended": testEnded, "Left": testLeft,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t), shards)
		})
	}
}

func propose(t *testing.T, l cluster.Log, shard int, data string) {
	t.Helper()
	if err := l.Propose(t.Context(), shard, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// follow returns n entries after a position.
func follow(t *testing.T, l cluster.Log, shard int, after uint64, n int) (all []cluster.Entry) {
	t.Helper()
	if n == 0 {
		return nil
	}
	for entry, err := range l.Follow(t.Context(), shard, after) {
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, entry); len(all) == n {
			break
		}
	}
	return all
}

func wantBounds(t *testing.T, l cluster.Log, shard int, first, last uint64) {
	t.Helper()
	gotFirst, gotLast, err := l.Bounds(t.Context(), shard)
	if err != nil || gotFirst != first || gotLast != last {
		t.Errorf("bounds of shard %d: %d, %d, %v; want %d, %d", shard, gotFirst, gotLast, err, first, last)
	}
}

// testOrder: entries have the positions 1, 2, 3 and so on, a time, and their data.
func testOrder(t *testing.T, open func(*testing.T) cluster.Log, _ int) {
	l := open(t)
	wantBounds(t, l, 0, 1, 0)
	for i := range 20 {
		propose(t, l, 0, fmt.Sprint(i))
	}
	last := int64(0)
	for i, entry := range follow(t, l, 0, 0, 20) {
		if entry.Position != uint64(i+1) || string(entry.Data) != fmt.Sprint(i) || entry.Time < last || entry.Time == 0 {
			t.Errorf("entry %d: %d %d %q", i, entry.Position, entry.Time, entry.Data)
		}
		last = entry.Time
	}
	if got := follow(t, l, 0, 15, 5); got[0].Position != 16 {
		t.Errorf("after 15 comes %d", got[0].Position)
	}
	wantBounds(t, l, 0, 1, 20)
}

// testConcurrent: every entry that was proposed is there once, and all followers see the
// same order, also those that were there before.
func testConcurrent(t *testing.T, open func(*testing.T) cluster.Log, _ int) {
	l := open(t)
	const proposers, each = 4, 25
	var running sync.WaitGroup
	seen := make([][]cluster.Entry, 3)
	for i := range seen {
		running.Go(func() { seen[i] = follow(t, l, 0, 0, proposers*each) })
	}
	for p := range proposers {
		running.Go(func() {
			for i := range each {
				if err := l.Propose(t.Context(), 0, fmt.Appendf(nil, "%d %d", p, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	next := make([]int, proposers)
	for i, entry := range seen[0] {
		var p, n int
		if _, err := fmt.Sscan(string(entry.Data), &p, &n); err != nil || n != next[p] {
			t.Fatalf("entry %q follows %d of its proposer, %v", entry.Data, next[p], err)
		}
		next[p]++
		for _, other := range seen[1:] {
			if other[i].Position != entry.Position || string(other[i].Data) != string(entry.Data) || other[i].Time != entry.Time {
				t.Fatalf("followers disagree: %+v and %+v", entry, other[i])
			}
		}
	}
}

// testShards: shards are independent.
func testShards(t *testing.T, open func(*testing.T) cluster.Log, shards int) {
	l := open(t)
	for i := range shards {
		for range i {
			propose(t, l, i, fmt.Sprint(i))
		}
	}
	for i := range shards {
		wantBounds(t, l, i, 1, uint64(i))
		for _, entry := range follow(t, l, i, 0, i) {
			if string(entry.Data) != fmt.Sprint(i) {
				t.Errorf("shard %d has %q", i, entry.Data)
			}
		}
	}
}

func testTrim(t *testing.T, open func(*testing.T) cluster.Log, _ int) {
	l := open(t)
	for i := range 10 {
		propose(t, l, 0, fmt.Sprint(i))
	}
	if err := l.Trim(t.Context(), 0, 4); err != nil {
		t.Fatal(err)
	}
	wantBounds(t, l, 0, 5, 10)
	if got := follow(t, l, 0, 4, 6); got[0].Position != 5 {
		t.Errorf("after 4 comes %d", got[0].Position)
	}
	for _, err := range l.Follow(t.Context(), 0, 3) {
		if !errors.Is(err, cluster.ErrTrimmed) {
			t.Errorf("after 3: %v, want ErrTrimmed", err)
		}
	}
	if err := l.Trim(t.Context(), 0, 10); err != nil {
		t.Fatal(err)
	}
	wantBounds(t, l, 0, 11, 10)
	propose(t, l, 0, "later")
	if got := follow(t, l, 0, 10, 1); got[0].Position != 11 || string(got[0].Data) != "later" {
		t.Errorf("after everything was trimmed: %+v", got)
	}
}

// testRestart: a log that begins anew continues with the position that is wanted. Trim never
// changes where a log ends.
func testRestart(t *testing.T, open func(*testing.T) cluster.Log, _ int) {
	l := open(t)
	for i := range 10 {
		propose(t, l, 0, fmt.Sprint(i))
	}
	propose(t, l, 1, "other")
	if err := l.Restart(t.Context(), 0, 25); err != nil {
		t.Fatal(err)
	}
	wantBounds(t, l, 0, 26, 25)
	propose(t, l, 0, "later")
	wantBounds(t, l, 0, 26, 26)
	if got := follow(t, l, 0, 25, 1)[0]; got.Position != 26 || string(got.Data) != "later" {
		t.Errorf("after 25 comes %d, %q", got.Position, got.Data)
	}
	for _, err := range l.Follow(t.Context(), 0, 10) {
		if !errors.Is(err, cluster.ErrTrimmed) {
			t.Errorf("after 10: %v, want ErrTrimmed", err)
		}
	}
	if err := l.Trim(t.Context(), 0, 40); err != nil {
		t.Fatal(err)
	}
	wantBounds(t, l, 0, 27, 26)
	l = open(t)
	wantBounds(t, l, 0, 27, 26)
	wantBounds(t, l, 1, 1, 1)
	if err := l.Restart(t.Context(), 0, 26); err != nil { // where it ends
		t.Fatal(err)
	}
	wantBounds(t, l, 0, 27, 26)
}

// testMemory: the shard of memory-only channels begins with the time.
func testMemory(t *testing.T, open func(*testing.T) cluster.Log, shards int) {
	before := cluster.MemoryStart(time.Now())
	l := open(t)
	after := cluster.MemoryStart(time.Now())
	first, last, err := l.Bounds(t.Context(), shards)
	if err != nil || first != last+1 || first < before || first > after {
		t.Fatalf("bounds %d, %d, %v; want them to begin between %d and %d", first, last, err, before, after)
	}
	for i := range 10 {
		propose(t, l, shards, fmt.Sprint(i))
	}
	for i, entry := range follow(t, l, shards, first-1, 10) {
		if entry.Position != first+uint64(i) || string(entry.Data) != fmt.Sprint(i) {
			t.Errorf("entry %d: %d %q", i, entry.Position, entry.Data)
		}
	}
	wantBounds(t, l, shards, first, first+9)
	wantBounds(t, l, 0, 1, 0)
}

// testAgain: a log keeps everything when it is opened again.
func testAgain(t *testing.T, open func(*testing.T) cluster.Log, _ int) {
	l := open(t)
	for i := range 5 {
		propose(t, l, 0, fmt.Sprint(i))
	}
	l = open(t)
	propose(t, l, 0, "5")
	for i, entry := range follow(t, l, 0, 0, 6) {
		if string(entry.Data) != fmt.Sprint(i) {
			t.Errorf("entry %d is %q", i, entry.Data)
		}
	}
}

// testLeft: a follower that leaves when its context is done is not called again.
func testLeft(t *testing.T, open func(*testing.T) cluster.Log, _ int) {
	l := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	propose(t, l, 0, "1")
	for entry, err := range l.Follow(ctx, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if entry.Position == 1 {
			time.AfterFunc(time.Millisecond, func() { l.Propose(t.Context(), 0, []byte("2")) }) //nolint:errcheck // then it does not end
			continue
		}
		cancel()
		break
	}
}

// testEnded: a context that is done ends a call.
func testEnded(t *testing.T, open func(*testing.T) cluster.Log, _ int) {
	l := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	propose(t, l, 0, "1")
	n := 0
	for _, err := range l.Follow(ctx, 0, 0) {
		if n++; n == 1 {
			cancel()
			continue
		}
		if err == nil {
			t.Error("the log goes on although the context is done")
		}
	}
	if n != 2 {
		t.Errorf("followed %d times", n)
	}
	again, end := context.WithCancel(t.Context())
	for range l.Follow(again, 0, 0) {
		end()
		break // then nothing is yielded, although the context is done
	}
	end()
	if err := l.Propose(ctx, 0, []byte("2")); err == nil {
		t.Error("proposed although the context is done")
	}
	wantBounds(t, l, 0, 1, 1)
}
