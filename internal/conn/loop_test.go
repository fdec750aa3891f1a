package conn

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPostKeepsOrder(t *testing.T) {
	t.Parallel()
	const posters, each = 8, 1000
	next := make([]int, posters) // owned by the loop
	l := NewLoop(Config{})
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			for i := range each {
				l.Post(Func(func() {
					if next[p] != i {
						t.Errorf("poster %d: task %d, want %d", p, i, next[p])
					}
					next[p]++
				}))
			}
		})
	}
	wg.Wait()
	l.Close()
	for p, n := range next {
		if n != each {
			t.Errorf("poster %d: %d tasks ran, want %d", p, n, each)
		}
	}
}

// TestTurn: a turn runs the tasks posted before it and flushes once; tasks posted
// meanwhile run in the next turn.
func TestTurn(t *testing.T) {
	t.Parallel()
	var log []string // owned by the loop
	say := func(s string) Func { return func() { log = append(log, s) } }
	l := NewLoop(Config{Flush: say("flush")})
	done := make(chan struct{})
	l.Post(Func(func() {
		log = nil
		l.Post(Func(func() {
			log = append(log, "a")
			l.Post(say("c"))
			l.Post(Func(func() { close(done) }))
		}))
		l.Post(say("b"))
	}))
	<-done
	l.Close()
	want := []string{"flush", "a", "b", "flush", "c", "flush"}
	if diff := cmp.Diff(want, log[:len(want)]); diff != "" {
		t.Error(diff)
	}
}

func TestPostAfterClose(t *testing.T) {
	t.Parallel()
	l := NewLoop(Config{})
	l.Close()
	if l.Post(Func(func() { t.Error("ran") })) {
		t.Error("Post accepted a task")
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if err := l.Attach(a, Handshake{}, nil); !errors.Is(err, ErrLoopClosed) {
		t.Errorf("Attach: %v", err)
	}
	l.Close()
}

// TestPostWhileClosing: the accepted tasks have run when Close returns.
func TestPostWhileClosing(t *testing.T) {
	t.Parallel()
	for range 100 {
		l := NewLoop(Config{})
		var taken, ran atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for l.Post(Func(func() { ran.Add(1) })) {
					taken.Add(1)
				}
			})
		}
		l.Close()
		wg.Wait()
		if taken.Load() != ran.Load() {
			t.Fatalf("%d accepted, %d ran", taken.Load(), ran.Load())
		}
	}
}

// countTask is a task that is posted repeatedly.
type countTask struct{ n int }

func (c *countTask) Run() { c.n++ }

func TestPostAllocs(t *testing.T) {
	l := NewLoop(Config{})
	defer l.Close()
	task := new(countTask)
	done := make(chan struct{}, 1)
	wait := Task(Func(func() { done <- struct{}{} }))
	if n := testing.AllocsPerRun(200, func() {
		for range 100 {
			l.Post(task)
		}
		l.Post(wait)
		<-done
	}); n >= 1 {
		t.Errorf("%v allocations for 100 posts", n)
	}
}
