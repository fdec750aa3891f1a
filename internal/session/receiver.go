package session

import (
	"context"
	"slices"

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

// reception is a Receiver and its pending writes. Owned by the loop.
type reception struct {
	Receiver
	waiting []*write  // in order, until the client has taken earlier output
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

// WriteFrame sends a frame, bypassing the window, to a session with a Receiver. It waits
// until the client has taken earlier output, or until ctx is done: then the frame is not
// sent. If the session has ended, the error is a CloseInfo, whatever ctx says.
func (s *Session) WriteFrame(ctx context.Context, f Frame) error {
	r, w := s.reception(), &write{frame: f.Encode(), done: make(chan error, 1)}
	if !s.loop.Do(func() { r.write(ctx, s, w) }) {
		return CloseInfo{Code: wire.CloseAbnormal}
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
	}
	// The loop decides, because it may have sent the frame.
	if !s.loop.Do(func() { r.cancel(w, ctx.Err()) }) {
		return ctx.Err()
	}
	return <-w.done
}

func (r *reception) write(ctx context.Context, s *Session, w *write) {
	if !s.ending && ctx.Err() != nil {
		w.done <- ctx.Err()
		return
	}
	r.waiting = append(r.waiting, w)
	r.writeWaiting(s)
}

// cancel ends the wait of a frame, unless it is over.
func (r *reception) cancel(w *write, err error) {
	if i := slices.Index(r.waiting, w); i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
		w.done <- err
	}
}

// writeWaiting sends the waiting frames that the connection takes.
func (r *reception) writeWaiting(s *Session) {
	for len(r.waiting) > 0 && (s.ending || !s.blocked) {
		w := r.waiting[0]
		r.waiting = slices.Delete(r.waiting, 0, 1)
		if s.ending {
			w.done <- r.ended
			continue
		}
		s.send(w.frame)
		w.done <- nil
	}
}
