package peers_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/internal/peers"
)

// node is a node with connections that the test sets.
type node struct {
	*peers.Peers
	mu     sync.Mutex
	counts map[string]int
	line   *line
}

// line is the connection of a node to the bus.
type line struct {
	*logtest.Bus
	mu   sync.Mutex
	down bool
	lose func() bool // a message that it sends is lost
}

func (l *line) lost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.down || l.lose != nil && l.lose()
}

func (l *line) set(down bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
}

func (l *line) Publish(ctx context.Context, topic string, data []byte) error {
	if l.lost() {
		return errors.New("lost")
	}
	return l.Bus.Publish(ctx, topic, data)
}

func (l *line) Subscribe(topic string, f func([]byte) []byte) (func(), error) {
	return l.Bus.Subscribe(topic, func(data []byte) []byte {
		l.mu.Lock()
		down := l.down
		l.mu.Unlock()
		if down {
			return nil
		}
		return f(data)
	})
}

func newNode(t testing.TB, name string, bus *logtest.Bus, changed ...func(name string, counted, lost bool)) *node {
	t.Helper()
	n := &node{counts: map[string]int{}, line: &line{Bus: bus}}
	var err error
	n.Peers, err = peers.New(peers.Config{
		Changed: func(name string, counted, lost bool) {
			for _, f := range changed {
				f(name, counted, lost)
			}
		},
		Node: name, Bus: n.line, Logger: slog.New(slog.DiscardHandler),
		Count: func(channel string) int {
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.counts[channel]
		},
		Answer: func(question []byte) []byte { return append([]byte(name+" heard "), question...) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) set(channel string, count int) {
	n.mu.Lock()
	if n.counts[channel] = count; count == 0 {
		delete(n.counts, channel)
	}
	n.mu.Unlock()
	n.Changed(channel)
}

// wait lets changes be announced.
func wait() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

func (n *node) want(t *testing.T, want map[string]int) {
	t.Helper()
	got := map[string]int{}
	n.All("", func(channel string, n int) bool {
		got[channel] += n
		return true
	})
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for channel, count := range want {
		if got := n.Count(channel); got != count {
			t.Errorf("%s: %d, want %d", channel, got, count)
		}
	}
}

// TestChanged: a node that counts something under another name is not without it in
// between, and each name begins and ends once.
func TestChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bus := &logtest.Bus{}
		a := newNode(t, "a", bus)
		defer a.Close()
		var counted, least int
		b := newNode(t, "b", bus, func(_ string, holds, _ bool) {
			if counted--; holds {
				counted += 2
			}
			least = min(least, counted)
		})
		defer b.Close()
		const names = 40
		for i := range names {
			a.set(fmt.Sprint("old", i), 1)
		}
		wait()
		for _, lost := range []bool{false, true} { // the announcement
			a.line.set(lost)
			least = counted
			before, after := "old", "new"
			if lost {
				before, after = after, before
			}
			for i := range names {
				a.set(fmt.Sprint(before, i), 0)
				a.set(fmt.Sprint(after, i), 1)
			}
			wait()
			a.line.set(false)
			time.Sleep(3 * time.Second)
			synctest.Wait()
			if counted != names || !lost && least != names {
				t.Errorf("lost %t: %d names are counted, at least %d, want %d", lost, counted, least, names)
			}
		}
	})
}

func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &logtest.Bus{}
		a, b := newNode(t, "a", bus), newNode(t, "b", bus)
		defer a.Close()
		a.set("user:1", 2)
		b.set("user:1", 1)
		b.set("user:2", 3)
		wait()
		a.want(t, map[string]int{"user:1": 1, "user:2": 3})
		b.want(t, map[string]int{"user:1": 2})
		if got := a.With("user:2"); !slices.Equal(got, []string{"b"}) {
			t.Errorf("user:2 is on %v", got)
		}

		// A node that starts later.
		c := newNode(t, "c", bus)
		defer c.Close()
		wait()
		c.want(t, map[string]int{"user:1": 3, "user:2": 3})
		c.set("user:2", 1)
		b.set("user:2", 0)
		wait()
		a.want(t, map[string]int{"user:1": 1, "user:2": 1})
		got := a.Nodes()
		slices.Sort(got)
		if !slices.Equal(got, []string{"b", "c"}) {
			t.Errorf("nodes: %v", got)
		}

		// One that leaves, and one that starts again without having left.
		b.Close()
		a.want(t, map[string]int{"user:2": 1})
		again := newNode(t, "c", bus)
		wait()
		a.want(t, map[string]int{})
		again.Close()
		if got := a.Nodes(); len(got) != 0 {
			t.Errorf("nodes: %v", got)
		}
	})
}

// TestSilence: a node that is not heard has no connections, until it is heard again.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &logtest.Bus{}
		a, b := newNode(t, "a", bus), newNode(t, "b", bus)
		defer a.Close()
		defer b.Close()
		b.set("user:1", 1)
		wait()
		for _, silence := range []time.Duration{4 * time.Second, 2 * time.Minute} {
			b.line.set(true)
			time.Sleep(2 * time.Second)
			a.want(t, map[string]int{"user:1": 1})
			time.Sleep(silence - 2*time.Second)
			a.want(t, map[string]int{})
			if got := a.With("user:1"); len(got) != 0 {
				t.Errorf("user:1 is on %v", got)
			}
			b.set("user:2", 1)
			wait()
			b.line.set(false)
			time.Sleep(2*time.Second + 100*time.Millisecond)
			a.want(t, map[string]int{"user:1": 1, "user:2": 1})
			b.set("user:2", 0)
			wait()
		}
	})
}

// TestLosses: whatever is lost, and however much there is, nodes agree soon after.
func TestLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &logtest.Bus{}
		all := []*node{newNode(t, "a", bus), newNode(t, "b", bus), newNode(t, "c", bus)}
		rnd := rand.New(rand.NewPCG(1, 2))
		for i, n := range all {
			defer n.Close()
			n.line.mu.Lock()
			lost := rand.New(rand.NewPCG(uint64(i), 3)) // guarded by mu
			n.line.lose = func() bool { return lost.IntN(2) == 0 }
			n.line.mu.Unlock()
			for i := range 20000 { // more than fits into the messages of a bucket
				n.set(strings.Repeat("x", 150)+fmt.Sprint(i), 1+i%3)
			}
			wait()
		}
		for range 300 {
			all[rnd.IntN(3)].set(fmt.Sprint("user:", rnd.IntN(50)), rnd.IntN(3))
			time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond)
		}
		for _, n := range all {
			n.line.mu.Lock()
			n.line.lose = nil
			n.line.mu.Unlock()
		}
		time.Sleep(3 * time.Second)
		for i, n := range all {
			want := map[string]int{}
			for k, other := range all {
				if k != i {
					for channel, count := range other.counts {
						want[channel] += count
					}
				}
			}
			n.want(t, want)
		}
	})
}

func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &logtest.Bus{}
		a, b, c := newNode(t, "a", bus), newNode(t, "b.1", bus), newNode(t, "c", bus)
		defer a.Close()
		defer b.Close()
		defer c.Close()
		c.line.set(true)
		begun := time.Now()
		got := a.Ask(t.Context(), []string{"b.1", "c", "unknown"}, []byte("you"))
		if len(got) != 3 || string(got[0]) != "b.1 heard you" || got[1] != nil || got[2] != nil {
			t.Errorf("answers: %q", got)
		}
		if took := time.Since(begun); took != peers.AskTimeout {
			t.Errorf("it took %s", took)
		}
	})
}

// TestMalformed: whatever a message says, it does no harm.
func TestMalformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &logtest.Bus{}
		a, b := newNode(t, "a", bus), newNode(t, "b", bus)
		defer a.Close()
		defer b.Close()
		var seen [][]byte
		stop, err := bus.Subscribe("peers", func(data []byte) []byte {
			seen = append(seen, slices.Clone(data))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b.set("user:1", 1)
		time.Sleep(2 * time.Second)
		stop()
		rnd := rand.New(rand.NewPCG(1, 2))
		for range 2000 {
			data := slices.Clone(seen[rnd.IntN(len(seen))])
			for range 1 + rnd.IntN(3) {
				data[rnd.IntN(len(data))] = byte(rnd.Uint32())
			}
			bus.Publish(t.Context(), "peers", data[:rnd.IntN(len(data)+1)]) //nolint:errcheck // it cannot fail
			bus.Publish(t.Context(), "peers.61", data)                      //nolint:errcheck // it cannot fail
		}
		time.Sleep(5 * time.Second)
		if got := a.Count("user:1"); got != 1 {
			t.Errorf("user:1 has %d connections, want 1", got)
		}
	})
}

// TestMemory: a user that is online on another node takes little memory.
func TestMemory(t *testing.T) {
	bus := &logtest.Bus{}
	a, b := newNode(t, "a", bus), newNode(t, "b", bus)
	defer a.Close()
	defer b.Close()
	const users = 100_000
	before := heap()
	for i := range users {
		b.counts[fmt.Sprintf("user:%07d", i)] = 1
	}
	for channel := range b.counts {
		b.Changed(channel)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		n := 0
		a.All("user:", func(string, int) bool { n++; return true })
		if n == users {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d users are online", n)
		}
	}
	clear(b.counts)
	b.counts = nil
	each := (heap() - before) / users / 2 // both nodes have it
	t.Logf("%d bytes for each", each)
	if each > 100 {
		t.Errorf("%d bytes for each user, want at most 100", each)
	}
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
