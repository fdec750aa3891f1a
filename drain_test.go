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

// kept is an engine that outlives the server, as for a node that takes over.
type kept struct{ engine.Engine }

func (kept) Close() error { return nil }

// TestARollingRestartIsPacedAndLosesNothing drains a node with many sessions,
// reconnects its clients to the next node at the times in their byes, and checks the
// peak of reconnections.
func TestARollingRestartIsPacedAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sessions, rate = 1200, 100
		paced := func(o *wirepost.Options) { o.ReconnectRate = rate }
		first := newPipeNode(t, paced)
		store := kept{first.engine}
		first.engine = store // stop does not close it
		t.Cleanup(func() { store.Engine.Close() })
		clients := make([]*client, sessions)
		for i := range clients {
			var protocols []string
			if i%3 > 0 { // a third are plain clients
				protocols = []string{"wirepost.v1"}
			}
			clients[i] = first.dial(fmt.Sprint(i), protocols...)
			if protocols != nil {
				clients[i].frame("hello")
			}
		}
		begun := time.Now()
		var mu sync.Mutex
		var scheduled, closed []time.Duration // since begun: scheduled reconnections, and closes of plain clients
		var wg sync.WaitGroup
		for i, c := range clients {
			wg.Go(func() {
				if i%3 == 0 {
					if code := c.closeCode(); code != 1012 {
						t.Errorf("closed with %d", code)
					}
					mu.Lock()
					closed = append(closed, time.Since(begun))
					mu.Unlock()
					return
				}
				bye := c.frame("bye")
				back := time.Since(begun) + time.Duration(bye.num("retry_after_ms"))*time.Millisecond
				if code := c.closeCode(); code != 1012 {
					t.Errorf("closed with %d", code)
				}
				mu.Lock()
				scheduled = append(scheduled, back)
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
		if n := peak(scheduled); n > rate {
			t.Errorf("%d clients were scheduled to reconnect in one second", n)
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

// peak is the largest number of moments within one second.
func peak(moments []time.Duration) (most int) {
	slices.Sort(moments)
	for i, from := range moments {
		n, _ := slices.BinarySearch(moments[i:], from+time.Second)
		most = max(most, n)
	}
	return most
}

// TestAnInterruptedDrainNotifiesAllClients has no time for its pace.
func TestAnInterruptedDrainNotifiesAllClients(t *testing.T) {
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
				c.closeCode()
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
			t.Error("the first one reports that all connections closed by themselves")
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
