package session

import (
	"slices"
	"time"

	"github.com/wirepost/wirepost/internal/trace"
)

// window holds the messages that a session has sent and the client has not
// acknowledged. Owned by the loop.
type window struct {
	sent  []inFlight // in the order of sending
	bytes int
	full  bool // a message did not fit, and none has left since

	// In plain mode:
	fresh    bool      // the window has a message that no cursor ping covers
	unpinged time.Time // when the first such message was sent, or zero
	ping     uint32    // the number of the outstanding cursor ping, or 0
	pinged   []pinged  // the cursors that its pong acknowledges
	asked    time.Time // when it was sent
	strays   int       // pongs since then with an unknown payload

	traced []traced // the messages in it that are traced, in the order of sending
}

type inFlight struct {
	sub  *subscription
	seq  uint64
	size int
}

// pinged is a subscription and its cursor at the time of a cursor ping.
type pinged struct {
	sub *subscription
	seq uint64
}

// traced is a message that is traced: in the batch, and then in the window until the client
// acknowledges it.
type traced struct {
	sub    *subscription
	seq    uint64
	id     string
	parent trace.Context // that of the message; in the window that of its delivery
	sent   time.Time     // in the window
}

// add adds a message to the window. False means that it does not fit; a message larger
// than the whole window fits if the window is empty.
func (w *window) add(m inFlight, c *Config) bool {
	if len(w.sent) >= c.Window || len(w.sent) > 0 && w.bytes+m.size > c.WindowBytes {
		w.full = true
		return false
	}
	w.sent = append(w.sent, m)
	w.bytes += m.size
	w.fresh = true
	return true
}

// room is how many more messages fit in the window, as far as that is known without
// their sizes. The window may be nil.
func (w *window) room(c *Config) int {
	switch {
	case w == nil:
		return c.Window
	case w.full, len(w.sent) > 0 && w.bytes >= c.WindowBytes:
		return 0
	}
	return max(0, c.Window-len(w.sent))
}

// half reports whether half of the window is used.
func (w *window) half(c *Config) bool {
	return 2*len(w.sent) >= c.Window || 2*w.bytes >= c.WindowBytes
}

// remove removes the messages of a subscription up to a sequence, and returns their
// number.
func (w *window) remove(sub *subscription, through uint64) int {
	kept := w.sent[:0]
	for _, m := range w.sent {
		if m.sub == sub && m.seq <= through {
			w.bytes -= m.size
			continue
		}
		kept = append(kept, m)
	}
	n := len(w.sent) - len(kept)
	clear(w.sent[len(kept):])
	if len(w.traced) > 0 {
		w.traced = slices.DeleteFunc(w.traced, func(t traced) bool { return t.sub == sub && t.seq <= through })
	}
	w.sent, w.full = kept, w.full && n == 0
	return n
}

// empty reports whether nothing is in flight, not even a cursor ping.
func (w *window) empty() bool { return len(w.sent) == 0 && w.ping == 0 }
