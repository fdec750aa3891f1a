package peer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/pebble"
)

// pebbleServer is Wirepost with all its guarantees: each message is on disk before
// it is sent, and every client acknowledges it by the pong of plain mode.
type pebbleServer struct{ wirepostServer }

// filler is a server with channels that have no subscribers.
type filler interface {
	// fill pushes a message to each of the channels from..to-1.
	fill(from, to int) error
	// scatter pushes n messages to random channels among the first ones.
	scatter(channels, pushes int) error
}

// DataVariable is the environment variable with the directory of the store. It does
// not begin with WIREPOST_, because the wirepost command refuses unknown names with
// that prefix.
const DataVariable = "BENCH_DATA"

func newPebble() (Server, error) {
	dir := os.Getenv(DataVariable)
	if dir == "" {
		return nil, fmt.Errorf("%s is not set: no directory for the store", DataVariable)
	}
	e, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		return nil, err
	}
	s, err := newServer(wirepost.Options{Engine: e})
	if err != nil {
		return nil, err
	}
	return &pebbleServer{wirepostServer{s, wirepost.All}}, nil
}

// Publish pushes like that many concurrent request handlers, because each push waits
// for the disk.
func (s *pebbleServer) Publish(data []byte, times int) error {
	return together(times, func() error { return s.wirepostServer.Publish(data, 1) })
}

func inbox(i int) string { return fmt.Sprintf("user:away-%d", i) }

func (s *pebbleServer) fill(from, to int) error {
	const batch = 1000
	data := Message(128)
	for from < to {
		n := min(batch, to-from)
		pushes := make([]wirepost.Push, n)
		for i := range pushes {
			pushes[i] = wirepost.Push{To: inbox(from + i), Data: data}
		}
		if _, err := s.PushAll(context.Background(), pushes); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// publishers is how many push concurrently and share fsyncs.
const publishers = 64

func (s *pebbleServer) scatter(channels, pushes int) error {
	var left atomic.Int64
	left.Store(int64(pushes))
	data := Message(128)
	return together(publishers, func() error {
		for left.Add(-1) >= 0 {
			push := wirepost.Push{To: inbox(rand.IntN(channels)), Data: data}
			if _, err := s.Push(context.Background(), push); err != nil {
				return err
			}
		}
		return nil
	})
}

// together runs the work n times concurrently and returns an error if one failed.
func together(times int, work func() error) error {
	errs := make(chan error, times)
	var all sync.WaitGroup
	for range times {
		all.Go(func() {
			if err := work(); err != nil {
				errs <- err
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs // nil when it is empty
}
