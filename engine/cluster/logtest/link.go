package logtest

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
)

// Link is the connection of one node to a log and a bus, each of which can be cut: calls
// wait then until their context is done, entries do not come, and messages are lost.
type Link struct {
	mu   sync.Mutex
	log  chan struct{} // closed when the log is reached again; nil: it is reached
	lost bool          // the bus is cut
}

// Cut cuts the connections to the log and to the bus, or restores them.
func (l *Link) Cut(log, bus bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case log && l.log == nil:
		l.log = make(chan struct{})
	case !log && l.log != nil:
		close(l.log)
		l.log = nil
	}
	l.lost = bus
}

// await waits until the log is reached.
func (l *Link) await(ctx context.Context) error {
	l.mu.Lock()
	restored := l.log
	l.mu.Unlock()
	if restored == nil {
		return nil
	}
	select {
	case <-restored:
		return errors.New("the connection was restored")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *Link) busCut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Log returns a log as it is seen through the link.
func (l *Link) Log(log cluster.Log) cluster.Log { return linkedLog{log, l} }

type linkedLog struct {
	cluster.Log
	link *Link
}

func (l linkedLog) Propose(ctx context.Context, shard int, data []byte) error {
	if err := l.link.await(ctx); err != nil {
		return err
	}
	return l.Log.Propose(ctx, shard, data)
}

func (l linkedLog) Follow(ctx context.Context, shard int, after uint64) iter.Seq2[cluster.Entry, error] {
	return func(yield func(cluster.Entry, error) bool) {
		for entry, err := range l.Log.Follow(ctx, shard, after) {
			if cut := l.link.await(ctx); cut != nil && err == nil {
				entry, err = cluster.Entry{}, cut
			}
			if !yield(entry, err) || err != nil {
				return
			}
		}
	}
}

func (l linkedLog) Bounds(ctx context.Context, shard int) (first, last uint64, err error) {
	if err := l.link.await(ctx); err != nil {
		return 0, 0, err
	}
	return l.Log.Bounds(ctx, shard)
}

func (l linkedLog) Trim(ctx context.Context, shard int, through uint64) error {
	if err := l.link.await(ctx); err != nil {
		return err
	}
	return l.Log.Trim(ctx, shard, through)
}

// Bus returns a bus as it is seen through the link.
func (l *Link) Bus(bus engine.Bus) engine.Bus { return linkedBus{bus, l} }

type linkedBus struct {
	bus  engine.Bus
	link *Link
}

func (b linkedBus) Publish(ctx context.Context, topic string, data []byte) error {
	if b.link.busCut() {
		return nil
	}
	return b.bus.Publish(ctx, topic, data)
}

func (b linkedBus) Request(ctx context.Context, topic string, data []byte) ([]byte, error) {
	if b.link.busCut() {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return b.bus.Request(ctx, topic, data)
}

func (b linkedBus) Subscribe(topic string, f func([]byte) []byte) (stop func(), err error) {
	return b.bus.Subscribe(topic, func(data []byte) []byte {
		if b.link.busCut() {
			return nil
		}
		return f(data)
	})
}
