package session

import (
	"context"
	"slices"

	"github.com/wirepost/wirepost/internal/wire"
)

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
