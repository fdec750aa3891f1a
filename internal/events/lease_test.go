package events

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// leaseBus is a bus that delivers after a while.
type leaseBus struct {
	receive []func(data []byte) []byte
	late    time.Duration
}

func (b *leaseBus) Publish(_ context.Context, _ string, data []byte) error {
	for _, f := range b.receive {
		time.AfterFunc(b.late, func() { f(data) })
	}
	return nil
}

func (b *leaseBus) Request(context.Context, string, []byte) ([]byte, error) { panic("unused") }

func (b *leaseBus) Subscribe(_ string, f func(data []byte) []byte) (stop func(), err error) {
	b.receive = append(b.receive, f)
	return func() {}, nil
}

// TestClaimedAtOnce: of nodes that claim the lease at the same moment, because none of them
// knows of the others yet, one takes it, and at no time two have it.
func TestClaimedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &leaseBus{late: 100 * time.Millisecond}
		var all []*Lease
		for _, node := range []string{"b", "a", "c"} {
			l, err := NewLease(LeaseConfig{
				Node: node, Bus: bus,
				Nodes:  func() []string { return nil },
				Ready:  func() error { return nil },
				Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			all = append(all, l)
		}
		defer time.Sleep(time.Second) // the last messages
		for range 10_000 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if held := holders(all); len(held) > 1 {
				t.Fatalf("%v hold the lease", held)
			}
		}
		if held := holders(all); len(held) != 1 || held[0] != "a" {
			t.Errorf("%v hold the lease", held)
		}
	})
}

// TestPausedHolder: a node that was paused while it held the lease does not take it back from
// the one that has it since.
func TestPausedHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &leaseBus{late: time.Millisecond}
		pause := make(chan time.Duration, 1)
		var all []*Lease
		for _, node := range []string{"a", "b"} {
			ready := func() error { return nil }
			if node == "a" {
				ready = func() error {
					select {
					case d := <-pause:
						time.Sleep(d)
					default:
					}
					return nil
				}
			}
			l, err := NewLease(LeaseConfig{
				Node: node, Bus: bus, Nodes: func() []string { return []string{"a", "b"} }, Ready: ready,
				Logger: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			all = append(all, l)
		}
		defer time.Sleep(time.Second) // the last messages
		time.Sleep(10 * time.Second)
		if held := holders(all); len(held) != 1 || held[0] != "a" {
			t.Fatalf("%v hold the lease", held)
		}
		pause <- 20 * time.Second
		time.Sleep(20 * time.Second)
		if !all[1].Held() {
			t.Fatal("the other node has not taken the lease")
		}
		time.Sleep(20 * time.Second)
		if held := holders(all); len(held) != 1 || held[0] != "b" {
			t.Errorf("%v hold the lease", held)
		}
	})
}

func holders(all []*Lease) (names []string) {
	for _, l := range all {
		if l.Held() {
			names = append(names, l.config.Node)
		}
	}
	return names
}
