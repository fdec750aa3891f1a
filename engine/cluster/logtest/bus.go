package logtest

import (
	"context"
	"fmt"
	"sync"

	"github.com/wirepost/wirepost/engine"
)

// Bus is an engine.Bus for nodes in one process. Its zero value is ready for use.
type Bus struct {
	mu     sync.Mutex
	topics map[string][]*subscription
}

var _ engine.Bus = (*Bus)(nil)

type subscription struct {
	mu      sync.Mutex // held during a call of f
	stopped bool
	f       func([]byte) []byte
}

func (s *subscription) call(data []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	return s.f(data)
}

func (b *Bus) of(topic string) []*subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]*subscription(nil), b.topics[topic]...)
}

func checkSize(data []byte) error {
	if len(data) > engine.MaxBusMessage {
		return fmt.Errorf("a message of %d bytes is too large, the limit is %d", len(data), engine.MaxBusMessage)
	}
	return nil
}

// Publish implements engine.Bus. It returns when all subscriptions have been called.
func (b *Bus) Publish(ctx context.Context, topic string, data []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := checkSize(data); err != nil {
		return err
	}
	for _, s := range b.of(topic) {
		s.call(data)
	}
	return nil
}

// Request implements engine.Bus.
func (b *Bus) Request(ctx context.Context, topic string, data []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := checkSize(data); err != nil {
		return nil, err
	}
	all := b.of(topic)
	if len(all) == 0 {
		return nil, engine.ErrNoResponder
	}
	for _, s := range all {
		if response := s.call(data); response != nil && checkSize(response) == nil {
			return response, nil
		}
	}
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// Subscribe implements engine.Bus.
func (b *Bus) Subscribe(topic string, f func([]byte) []byte) (stop func(), err error) {
	s := &subscription{f: f}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics == nil {
		b.topics = map[string][]*subscription{}
	}
	b.topics[topic] = append(b.topics[topic], s)
	return func() {
		s.mu.Lock()
		s.stopped = true
		s.mu.Unlock()
		b.mu.Lock()
		defer b.mu.Unlock()
		for i, other := range b.topics[topic] {
			if other == s {
				b.topics[topic] = append(b.topics[topic][:i:i], b.topics[topic][i+1:]...)
			}
		}
	}, nil
}
