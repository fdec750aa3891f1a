package postgres

import (
	"context"
	"sync/atomic"
)

// maxPending and maxPendingBytes are the most that waits for a subscription. Further
// messages are lost.
const (
	maxPending      = 1024
	maxPendingBytes = 16 << 20
)

// subscription calls a function with messages, on a goroutine of its own.
type subscription struct {
	f       func([]byte) []byte
	respond func(ctx context.Context, to *message, response []byte)
	pending chan *message
	size    atomic.Int64    // bytes in pending
	ctx     context.Context // ends with stop
	stop    context.CancelFunc
	ended   chan struct{} // closed when no call of f follows
}

func newSubscription(f func([]byte) []byte, respond func(context.Context, *message, []byte)) *subscription {
	return &subscription{f: f, respond: respond, pending: make(chan *message, maxPending), ended: make(chan struct{})}
}

// add queues a message, if there is room.
func (s *subscription) add(m *message) bool {
	if s.size.Load() > maxPendingBytes {
		return false
	}
	s.size.Add(int64(len(m.data)))
	select {
	case s.pending <- m:
		return true
	default:
		s.size.Add(-int64(len(m.data)))
		return false
	}
}

func (s *subscription) run() {
	defer close(s.ended)
	for {
		select {
		case m := <-s.pending:
			s.size.Add(-int64(len(m.data)))
			if s.ctx.Err() != nil {
				return
			}
			if response := s.f(m.data); response != nil && m.kind == kindRequest {
				s.respond(s.ctx, m, response)
			}
		case <-s.ctx.Done():
			return
		}
	}
}
