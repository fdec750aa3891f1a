package session

import (
	"context"

	"github.com/wirepost/wirepost/internal/wire"
)

// Receiver gets the messages of one plain session, instead of Hooks.Message. Its
// methods are called in jobs of the session, so one at a time and in order, and may
// block.
type Receiver interface {
	// Attached is called when the session has its connection. The context is canceled
	// when the session ends.
	Attached(ctx context.Context, s *Session)
	// Message handles a message of the client. While it blocks, only a few more
	// messages are read from the client.
	Message(Frame)
	// Disconnected is called once, after all messages; if the connection broke early,
	// Attached is not called before.
	Disconnected(CloseInfo)
}

// reception is a Receiver and its pending write. Owned by the loop.
type reception struct {
	Receiver
	waiting *write    // waits until the client has taken earlier output
	ended   CloseInfo // of a session that has ended
}

type write struct {
	frame []byte
	done  chan error // has capacity 1
}

func (s *Session) reception() *reception {
	if s.work == nil {
		return nil
	}
	return s.work.reception
}

// WriteFrame sends a frame, bypassing the window, to a session with a Receiver. It
// waits until the client has taken earlier output, or until ctx is done or the session
// ends: then the error is a CloseInfo. Calls must not overlap.
func (s *Session) WriteFrame(ctx context.Context, f Frame) error {
	r, w := s.reception(), &write{frame: f.Encode(), done: make(chan error, 1)}
	if !s.loop.Do(func() { r.write(s, w) }) {
		return CloseInfo{Code: wire.CloseAbnormal}
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
	}
	s.loop.Do(func() {
		if r.waiting == w {
			r.waiting = nil
		}
	})
	return ctx.Err()
}

// write sends a frame, or leaves that to Drained.
func (r *reception) write(s *Session, w *write) {
	switch {
	case s.ending:
		w.done <- r.ended
	case s.blocked:
		r.waiting = w
	default:
		s.send(w.frame)
		w.done <- nil
	}
}

// writeWaiting continues with the waiting frame, if any.
func (r *reception) writeWaiting(s *Session) {
	if w := r.waiting; w != nil {
		r.waiting = nil
		r.write(s, w)
	}
}
