package session

import (
	"context"
	"slices"
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

// cancel ends the wait of a frame, unless it is over.
func (r *reception) cancel(w *write, err error) {
	if i := slices.Index(r.waiting, w); i >= 0 {
		r.waiting = slices.Delete(r.waiting, i, i+1)
		w.done <- err
	}
}
