package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/client"
)

// A soak test is many short connections and pushes to many users, at a steady rate, for
// the duration SOAK, such as 1h.
const (
	soakUsers       = 20_000
	soakRooms       = 2_000
	soakConnections = 100  // a second, each open for 2 s on average
	soakPushes      = 1000 // a second
	soakMemory      = 256 << 20
	soakSteady      = 10 * time.Minute // a run of that length must have stopped growing
)

// TestSoak checks the memory of a server under long load: it never exceeds --memory,
// and does not grow once the caches are full.
func TestSoak(t *testing.T) {
	length, every := 4*time.Second, 200*time.Millisecond
	if text := os.Getenv("SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		every = length / 60
	}
	p := newProcess(t)
	p.more = []string{"--memory", fmt.Sprint(soakMemory)}
	s := &soak{t: t, host: p.start()}
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var work sync.WaitGroup
	work.Go(func() { s.push(ctx) })
	work.Go(func() { s.connect(ctx) })

	var memory []float64
	for ctx.Err() == nil {
		rest(ctx, every)
		u := usageOf(t, p.cmd.Process.Pid)
		memory = append(memory, float64(u.memory))
		t.Logf("%d connections, %d pushes, %d received, %d MiB, %d descriptors",
			s.connections.Load(), s.pushes.Load(), s.received.Load(), u.memory>>20, descriptors(p.cmd.Process.Pid))
	}
	work.Wait()
	if s.connections.Load() == 0 || s.pushes.Load() == 0 || s.received.Load() == 0 {
		t.Error("the soak did nothing")
	}
	for i, bytes := range memory {
		if bytes > soakMemory {
			t.Errorf("sample %d: %.0f MiB, the limit is %d", i, bytes/(1<<20), soakMemory>>20)
		}
	}
	if half := len(memory) / 2; length >= soakSteady {
		// The caches are full by then: the last quarter must not be higher than the third.
		before, after := mean(memory[half:half+half/2]), mean(memory[half+half/2:])
		t.Logf("%.0f MiB in the third quarter, %.0f in the last one", before/(1<<20), after/(1<<20))
		if after > before*1.05 {
			t.Error("memory grows")
		}
	}
	p.drain()
}

func descriptors(pid int) int {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0
	}
	return len(open)
}

func mean(of []float64) float64 {
	sum := 0.0
	for _, v := range of {
		sum += v
	}
	return sum / float64(len(of))
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

type soak struct {
	t    *testing.T
	host string

	connections, pushes, received atomic.Int64
}

// push pushes until ctx is canceled: messages to inboxes and rooms, some with keys,
// times to live and IDs.
func (s *soak) push(ctx context.Context) {
	backend, err := client.NewBackend("http://"+s.host, client.BackendOptions{Key: apiKey, HTTP: &http.Client{Transport: &http.Transport{}}})
	if err != nil {
		s.t.Error(err)
		return
	}
	stream := backend.Stream(ctx)
	data := fmt.Appendf(nil, "%q", strings.Repeat("x", 256))
	const tick = 10 * time.Millisecond
	for ; ctx.Err() == nil; rest(ctx, tick) {
		for range soakPushes * tick / time.Second {
			m := client.Push{To: fmt.Sprint("user:", rand.IntN(soakUsers)), Data: data}
			switch rand.IntN(10) {
			case 0:
				m.Key = fmt.Sprint(rand.IntN(5))
			case 1:
				m.TTL = time.Minute
			case 2:
				m.To = fmt.Sprint("room:", rand.IntN(soakRooms))
			}
			if _, err := stream.Push(ctx, m); err != nil {
				if ctx.Err() == nil {
					s.t.Error(err)
				}
				break
			}
			s.pushes.Add(1)
		}
	}
	stream.Close() //nolint:errcheck // its context was canceled
}

// connect makes users connect and disconnect until ctx is canceled.
func (s *soak) connect(ctx context.Context) {
	var open sync.WaitGroup
	defer open.Wait()
	for ; ctx.Err() == nil; rest(ctx, time.Second/soakConnections) {
		open.Go(func() { s.visit(ctx) })
	}
}

// visit is one user's connection.
func (s *soak) visit(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(4000))*time.Millisecond)
	defer cancel()
	token, err := auth.Sign(tokenSecret, wirepost.Identity{
		User: fmt.Sprint(rand.IntN(soakUsers)), Subscribe: []string{"room:*"}, Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		s.t.Error(err)
		return
	}
	c, err := client.Dial(ctx, "ws://"+s.host+"/ws", client.Options{
		Token: client.StaticToken(token), Device: fmt.Sprint(rand.IntN(2)),
	})
	if err != nil {
		return // its time was up
	}
	defer c.Close() //nolint:errcheck // it has no state
	s.connections.Add(1)
	for _, err := range c.Messages(ctx) {
		if err != nil {
			return
		}
		s.received.Add(1)
	}
}
