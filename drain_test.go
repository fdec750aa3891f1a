package wirepost_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
)

// kept is an engine that outlives the server: what a node that takes over finds.
type kept struct{ engine.Engine }

func (kept) Close() error { return nil }

// TestARollingRestartIsPacedAndLosesNothing drains a node with many sessions, has
// its clients go to the next one at the moments that they are told, and looks at
// the peak of reconnections.
func TestARollingRestartIsPacedAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sessions, rate = 1200, 100
		paced := func(o *wirepost.Options) { o.ReconnectRate = rate }
		first := newPipeNode(t, paced)
		store := kept{first.engine}
		first.engine = store // the helper's stop leaves it open
		t.Cleanup(func() { store.Engine.Close() })
		clients := make([]*client, sessions)
		for i := range clients {
			var protocols []string
			if i%3 > 0 { // a third are plain ones
				protocols = []string{"wirepost.v1"}
			}
			clients[i] = first.dial(fmt.Sprint(i), protocols...)
			if protocols != nil {
				clients[i].frame("hello")
			}
		}
		begun := time.Now()
		var mu sync.Mutex
		var told, closed []time.Duration // since begun: to come back, and when plain ones were closed
		var wg sync.WaitGroup
		for i, c := range clients {
			wg.Go(func() {
				if i%3 == 0 {
					if code := c.ending(); code != 1012 {
						t.Errorf("closed with %d", code)
					}
					mu.Lock()
					closed = append(closed, time.Since(begun))
					mu.Unlock()
					return
				}
				bye := c.frame("bye")
				back := time.Since(begun) + time.Duration(bye.num("retry_after_ms"))*time.Millisecond
				if code := c.ending(); code != 1012 {
					t.Errorf("closed with %d", code)
				}
				mu.Lock()
				told = append(told, back)
				mu.Unlock()
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		if err := first.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if took := time.Since(begun); took > 4*time.Second {
			t.Errorf("the drain took %v", took)
		}
		wg.Wait()
		if n := peak(told); n > rate {
			t.Errorf("%d clients were told to come back in one second", n)
		}
		if n := peak(closed); n > sessions/3/2 {
			t.Errorf("%d of %d plain clients were closed in one second of three", n, len(closed))
		}
		second := newPipeNode(t, paced, func(o *wirepost.Options) { o.Engine = store })
		for i := range clients {
			second.json(fmt.Sprint("user:", i), `"meanwhile"`)
			if i%3 == 0 {
				second.dial(fmt.Sprint(i)).want(`"meanwhile"`)
				continue
			}
			c, _ := second.dialV1(fmt.Sprint(i))
			c.message(`"meanwhile"`)
		}
	})
}

// peak is how many of the moments lie within one second, at most.
func peak(moments []time.Duration) (most int) {
	slices.Sort(moments)
	for i, from := range moments {
		n, _ := slices.BinarySearch(moments[i:], from+time.Second)
		most = max(most, n)
	}
	return most
}

// TestADrainThatIsCutShortStillTellsEverybody has no time for its pace.
func TestADrainThatIsCutShortStillTellsEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) { o.ReconnectRate = 1 })
		var clients []*client
		for i := range 20 {
			c, _ := n.dialV1(fmt.Sprint(i))
			clients = append(clients, c)
		}
		var wg sync.WaitGroup
		for _, c := range clients {
			wg.Go(func() {
				if b := c.frame("bye"); b.num("code") != 1012 || b.num("retry_after_ms") < 500 {
					t.Errorf("bye: %v", b)
				}
				c.ending()
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := n.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

func TestASecondShutdownHurriesTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) { o.ReconnectRate = 0.001 })
		for i := range 3 {
			n.dialV1(fmt.Sprint(i))
		}
		begun := time.Now()
		first := make(chan error, 1)
		go func() { first <- n.Shutdown(context.Background()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := n.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second one: %v", err)
		}
		if err := <-first; err == nil {
			t.Error("the first one says that all connections ended by themselves")
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
