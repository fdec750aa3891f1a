package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/postgres/internal/database"
)

// Bus is an engine.Bus over notifications. All methods are safe for concurrent use.
type Bus struct {
	db       *database.DB
	sender   *sender
	channels channels
	from     senderID
	changed  func() // is called when the topics have changed

	messages atomic.Uint64 // sent
	requests atomic.Uint64

	joiner joiner // owned by the listener

	mu      sync.Mutex
	topics  map[string][]*subscription
	waiting map[uint64]chan []byte // for responses, by request; cap 1
	lost    bool                   // a message was lost, which has been logged
}

var _ engine.Bus = (*Bus)(nil)

func newBus(d *database.DB, s *sender, c channels, changed func()) *Bus {
	b := &Bus{db: d, sender: s, channels: c, changed: changed, topics: map[string][]*subscription{}, waiting: map[uint64]chan []byte{}}
	rand.Read(b.from[:]) //nolint:errcheck // it never fails
	return b
}

// Publish implements engine.Bus. It returns when the database has accepted the message.
func (b *Bus) Publish(ctx context.Context, topic string, data []byte) error {
	return b.send(ctx, b.channels.all, &message{kind: kindPublish, topic: topic, data: data})
}

// Request implements engine.Bus.
func (b *Bus) Request(ctx context.Context, topic string, data []byte) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(b.db.Ctx, func() { cancel(database.ErrClosed) })()
	number, response := b.requests.Add(1), make(chan []byte, 1)
	b.mu.Lock()
	b.waiting[number] = response
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.waiting, number)
		b.mu.Unlock()
	}()
	if err := b.send(ctx, b.channels.all, &message{kind: kindRequest, number: number, inbox: b.channels.own, topic: topic, data: data}); err != nil {
		return nil, err
	}
	select {
	case data := <-response:
		return data, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (b *Bus) send(ctx context.Context, channel string, m *message) error {
	if len(m.data) > engine.MaxBusMessage {
		return fmt.Errorf("a message of %d bytes is too large, the limit is %d", len(m.data), engine.MaxBusMessage)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	payloads, size := split(b.from, b.messages.Add(1), m.append(nil))
	out := &outgoing{channel: channel, payloads: payloads, size: size, sent: make(chan error, 1)}
	if m.kind == kindRequest {
		lock := lockOf(b.channels.all, m.topic)
		out.topic = &lock
	}
	return b.sender.send(ctx, out)
}

// respond sends the response to a request.
func (b *Bus) respond(ctx context.Context, to *message, response []byte) {
	err := b.send(ctx, to.inbox, &message{kind: kindResponse, number: to.number, data: response})
	if err != nil && ctx.Err() == nil {
		b.db.Logger.Debug("a response to another node was not sent", "error", err)
	}
}

// receive takes a part of a message.
func (b *Bus) receive(part string) {
	data, complete := b.joiner.add(part)
	if !complete {
		return
	}
	m, ok := decodeMessage(data)
	if !ok {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.kind == kindResponse {
		select {
		case b.waiting[m.number] <- m.data:
		default: // another response was first, or nobody waits any more
		}
		return
	}
	for _, s := range b.topics[m.topic] {
		if !s.add(&m) && !b.lost {
			b.lost = true
			b.db.Logger.Warn("messages of other nodes are lost: they arrive faster than they are handled", "topic", m.topic)
		}
	}
}

// miss forgets a message that is not complete, because notifications may have been lost.
func (b *Bus) miss() { b.joiner = joiner{} }

// locks returns the locks of all topics with subscriptions.
func (b *Bus) locks() map[topicLock]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make(map[topicLock]bool, len(b.topics))
	for topic := range b.topics {
		all[lockOf(b.channels.all, topic)] = true
	}
	return all
}

// close forbids further subscriptions.
func (b *Bus) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics = nil
}

// Subscribe implements engine.Bus. It does not wait until the other nodes know of it.
func (b *Bus) Subscribe(topic string, f func(data []byte) []byte) (stop func(), err error) {
	s := newSubscription(f, b.respond)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics == nil || b.db.Ctx.Err() != nil {
		return nil, database.ErrClosed
	}
	s.ctx, s.stop = context.WithCancel(b.db.Ctx)
	b.topics[topic] = append(b.topics[topic], s)
	b.db.Go(s.run)
	b.changed()
	return func() {
		b.remove(topic, s)
		s.stop()
		<-s.ended
	}, nil
}

func (b *Bus) remove(topic string, s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.topics[topic]
	for i, other := range all {
		if other == s {
			b.topics[topic] = append(all[:i:i], all[i+1:]...)
		}
	}
	if len(b.topics[topic]) == 0 {
		delete(b.topics, topic)
		b.changed()
	}
}
