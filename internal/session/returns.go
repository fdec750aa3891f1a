package session

import (
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/cursor"
	"github.com/wirepost/wirepost/internal/trace"
)

// returns are the latest deliveries of traced messages to clients without a WebSocket. Such a
// client acknowledges with the cursor of its next request, which is another session; only the
// spans need to know of both.
type returns struct {
	mu   sync.Mutex // a leaf: loops take it
	list []delivered
	next int // the oldest one, once the list has maxReturns
}

// maxReturns limits the memory for clients that never come back.
const maxReturns = 1024

// delivered is a delivery to a device.
type delivered struct {
	user, device, channel, id string
	seq                       uint64
	span                      trace.Context
	at                        time.Time
}

// add adds a delivery, instead of the oldest one if there are too many.
func (r *returns) add(d delivered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) < maxReturns {
		r.list = append(r.list, d)
		return
	}
	r.list[r.next] = d
	r.next = (r.next + 1) % maxReturns
}

// take removes the deliveries to a device that a cursor acknowledges, and returns the last one
// of each message.
func (r *returns) take(user, device string, c *cursor.Cursor) (taken []delivered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.list {
		d := &r.list[i]
		if d.user != user || d.device != device || d.channel == "" {
			continue
		}
		if seq, ok := c.Of(d.channel); !ok || d.seq > seq {
			continue
		}
		same := func(t delivered) bool { return t.channel == d.channel && t.seq == d.seq }
		if i := slices.IndexFunc(taken, same); i < 0 {
			taken = append(taken, *d)
		} else if taken[i].at.Before(d.at) {
			taken[i] = *d
		}
		*d = delivered{}
	}
	return taken
}
