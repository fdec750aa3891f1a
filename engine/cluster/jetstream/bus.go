package jetstream

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/wirepost/wirepost/engine"
)

// Bus is an engine.Bus over the core of NATS, which stores nothing. A topic is a subject
// of its own.
type Bus struct {
	nc     *nats.Conn
	prefix string // of the subjects
}

var _ engine.Bus = (*Bus)(nil)

// NewBus returns the bus of a cluster.
func NewBus(nc *nats.Conn, cluster string) *Bus {
	return &Bus{nc: nc, prefix: "wirepost." + cluster + ".bus."}
}

// subject returns the subject of a topic: one token, in which * and > have no meaning.
func (b *Bus) subject(topic string) string {
	return b.prefix + strings.ReplaceAll(url.QueryEscape(topic), ".", "%2E")
}

func checkSize(data []byte) error {
	if len(data) > engine.MaxBusMessage {
		return fmt.Errorf("a message of %d bytes is too large, the limit is %d", len(data), engine.MaxBusMessage)
	}
	return nil
}

// Publish implements engine.Bus. It does not wait for the server.
func (b *Bus) Publish(ctx context.Context, topic string, data []byte) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := checkSize(data); err != nil {
		return err
	}
	return b.nc.Publish(b.subject(topic), data)
}

// Request implements engine.Bus.
func (b *Bus) Request(ctx context.Context, topic string, data []byte) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := checkSize(data); err != nil {
		return nil, err
	}
	m, err := b.nc.RequestWithContext(ctx, b.subject(topic), data)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return nil, engine.ErrNoResponder
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	}
	return m.Data, nil
}

// Subscribe implements engine.Bus. The client calls f on a goroutine of the subscription.
func (b *Bus) Subscribe(topic string, f func(data []byte) []byte) (stop func(), err error) {
	var mu sync.Mutex // held during a call of f
	stopped := false
	s, err := b.nc.Subscribe(b.subject(topic), func(m *nats.Msg) {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return
		}
		response := f(m.Data)
		if response == nil || m.Reply == "" || checkSize(response) != nil {
			return
		}
		m.Respond(response) //nolint:errcheck // it may be lost
	})
	if err != nil {
		return nil, err
	}
	return func() {
		s.Unsubscribe() //nolint:errcheck // the connection may be closed
		mu.Lock()
		defer mu.Unlock()
		stopped = true
	}, nil
}
