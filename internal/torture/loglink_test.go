package torture

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
)

// lines are the connections of a node in this process to the log and to the other nodes.
// Each may be interrupted: what is sent waits until it works again, or the sender gives up.
type lines struct {
	cluster.Log
	engine.Bus
	ask     gate // of proposals and questions to the log
	answer  gate // of the responses to these
	entries gate // of the entries of the log
	bus     gate
}

var errCut = errors.New("the connection is interrupted")

// gate is open until it is shut.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed when it is opened again; nil: it is open
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = make(chan struct{})
	}
}

func (g *gate) reopen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		close(g.open)
		g.open = nil
	}
}

func (g *gate) isShut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open != nil
}

// pass waits until the gate is open.
func (g *gate) pass(ctx context.Context) error {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	if open == nil {
		return nil
	}
	select {
	case <-open:
		return nil
	case <-ctx.Done():
		return errors.Join(errCut, context.Cause(ctx))
	}
}

// heal makes everything work again.
func (l *lines) heal() {
	for _, g := range []*gate{&l.ask, &l.answer, &l.entries, &l.bus} {
		g.reopen()
	}
}

// Propose implements cluster.Log.
func (l *lines) Propose(ctx context.Context, shard int, data []byte) error {
	if err := l.ask.pass(ctx); err != nil {
		return err
	}
	return errors.Join(l.Log.Propose(ctx, shard, data), l.answer.pass(ctx))
}

// Follow implements cluster.Log.
func (l *lines) Follow(ctx context.Context, shard int, after uint64) iter.Seq2[cluster.Entry, error] {
	return func(yield func(cluster.Entry, error) bool) {
		if err := l.ask.pass(ctx); err != nil {
			yield(cluster.Entry{}, err)
			return
		}
		for entry, err := range l.Log.Follow(ctx, shard, after) {
			if cut := l.entries.pass(ctx); cut != nil {
				yield(cluster.Entry{}, cut)
				return
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// Trim implements cluster.Log.
func (l *lines) Trim(ctx context.Context, shard int, through uint64) error {
	if err := l.ask.pass(ctx); err != nil {
		return err
	}
	return errors.Join(l.Log.Trim(ctx, shard, through), l.answer.pass(ctx))
}

// Bounds implements cluster.Log.
func (l *lines) Bounds(ctx context.Context, shard int) (first, last uint64, err error) {
	if err := l.ask.pass(ctx); err != nil {
		return 0, 0, err
	}
	if first, last, err = l.Log.Bounds(ctx, shard); err == nil {
		err = l.answer.pass(ctx)
	}
	return first, last, err
}

// Publish implements engine.Bus.
func (l *lines) Publish(ctx context.Context, topic string, data []byte) error {
	if l.bus.isShut() {
		return nil
	}
	return l.Bus.Publish(ctx, topic, data)
}

// Request implements engine.Bus.
func (l *lines) Request(ctx context.Context, topic string, data []byte) ([]byte, error) {
	if err := l.bus.pass(ctx); err != nil {
		return nil, err
	}
	return l.Bus.Request(ctx, topic, data)
}

// Subscribe implements engine.Bus.
func (l *lines) Subscribe(topic string, f func(data []byte) []byte) (stop func(), err error) {
	return l.Bus.Subscribe(topic, func(data []byte) []byte {
		if l.bus.isShut() {
			return nil
		}
		return f(data)
	})
}
