package session

import (
	"context"

	"github.com/wirepost/wirepost/internal/wire"
)

// Receiver takes the messages of one plain session, in place of Hooks.Message. Its methods
// are called in jobs of the session, so one at a time and in order, and may block.
type Receiver interface {
	// Attached is called when the session has its connection. The context ends with the
	// session.
	Attached(ctx context.Context, s *Session)
	// Message takes what the client sent. While it blocks, few more messages are read
	// from the client.
	Message(Frame)
	// Disconnected is called once, after all messages; it comes without Attached when the
	// connection broke before.
	Disconnected(CloseInfo)
}

// reception is a Receiver with what it writes. Owned by the loop.
type reception struct {
	Receiver
	waiting *write    // until the client has taken what was sent before
	ended   CloseInfo // of a session that has ended
}

type write struct {
	frame []byte
	done  chan error // has room for the result
}

func (s *Session) reception() *reception {
	if s.work == nil {
		return nil
	}
	return s.work.reception
}

// WriteFrame sends a frame past the window to a session with a Receiver. It waits until
// the client has taken what was sent before, or until ctx or the session ends: then the
// error is a CloseInfo. The caller calls it again when it has returned.
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

// write sends a frame, or has Drained do it.
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

// writeWaiting goes on with the frame that waits, if one does.
func (r *reception) writeWaiting(s *Session) {
	if w := r.waiting; w != nil {
		r.waiting = nil
		r.write(s, w)
	}
}
