package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/postgres/internal/database"
)

// Notifications are sent by one goroutine, with everything that has queued in one
// transaction of its own: one that is sent in the transaction of a proposal would hold up
// all other proposals until that is on disk, because the database sends notifications in
// the order of commits. So the ends of shards are sent once for many proposals, and the
// messages of a node arrive in order.
type sender struct {
	db     *database.DB
	endsTo string // the channel of the ends of shards

	mu      sync.Mutex
	ends    map[int]uint64 // of shards
	queue   []*outgoing
	size    int           // bytes in it
	room    chan struct{} // closed when the queue was taken; nil: nobody waits
	working chan struct{} // cap 1: there is something to send
}

// outgoing is a message that waits to be sent.
type outgoing struct {
	channel  string
	payloads []string
	size     int
	topic    *topicLock // of a request, which is not sent if nobody has subscribed to it
	sent     chan error // cap 1
}

const (
	// maxQueued is the most bytes that wait to be sent.
	maxQueued = 4 << 20
	// maxSend is the most bytes in one transaction, unless one message has more.
	maxSend = 1 << 20
	// sendPause is the pause after a transaction that failed.
	sendPause = 100 * time.Millisecond
)

func newSender(d *database.DB, endsTo string) *sender {
	return &sender{db: d, endsTo: endsTo, ends: map[int]uint64{}, working: make(chan struct{}, 1)}
}

func (s *sender) poke() {
	select {
	case s.working <- struct{}{}:
	default:
	}
}

// wake notifies all nodes that a position is in the log.
func (s *sender) wake(shard int, position uint64) {
	s.mu.Lock()
	s.ends[shard] = max(s.ends[shard], position)
	s.mu.Unlock()
	s.poke()
}

// send sends a message, and returns when it was sent.
func (s *sender) send(ctx context.Context, out *outgoing) error {
	ctx, cancel := s.db.Limit(ctx, database.CallTimeout)
	defer cancel()
	if err := s.add(ctx, out); err != nil {
		return err
	}
	s.poke()
	select {
	case err := <-out.sent:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// add queues a message, and waits for room in the queue.
func (s *sender) add(ctx context.Context, out *outgoing) error {
	for {
		s.mu.Lock()
		if s.size < maxQueued {
			s.queue = append(s.queue, out)
			s.size += out.size
			s.mu.Unlock()
			return nil
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// take takes what one transaction sends.
func (s *sender) take() (ends map[int]uint64, messages []*outgoing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ends) > 0 {
		ends, s.ends = s.ends, map[int]uint64{}
	}
	n, size := 0, 0
	for n < len(s.queue) && (n == 0 || size+s.queue[n].size <= maxSend) {
		size += s.queue[n].size
		n++
	}
	messages = append(messages, s.queue[:n]...)
	rest := copy(s.queue, s.queue[n:])
	clear(s.queue[rest:])
	s.queue = s.queue[:rest]
	s.size -= size
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
	return ends, messages
}

// run sends until the database is closed.
func (s *sender) run() {
	for {
		ends, messages := s.take()
		if ends == nil && len(messages) == 0 {
			select {
			case <-s.working:
				continue
			case <-s.db.Ctx.Done():
				return
			}
		}
		err := s.transmit(ends, messages)
		for _, out := range messages {
			select {
			case out.sent <- err:
			default: // nobody has subscribed
			}
		}
		if err == nil {
			continue
		}
		// Followers look by themselves, so ends need not be sent again.
		select {
		case <-time.After(sendPause):
		case <-s.db.Ctx.Done():
			return
		}
	}
}

func (s *sender) transmit(ends map[int]uint64, messages []*outgoing) error {
	ctx, cancel := s.db.Limit(s.db.Ctx, database.CallTimeout)
	defer cancel()
	var names, payloads []string
	if ends != nil {
		names, payloads = append(names, s.endsTo), append(payloads, encodeEnds(ends))
	}
	messages, err := s.deliverable(ctx, messages)
	if err == nil {
		for _, out := range messages {
			for _, payload := range out.payloads {
				names, payloads = append(names, out.channel), append(payloads, payload)
			}
		}
		_, err = s.db.Pool.Exec(ctx, `SELECT pg_notify(channel, payload) FROM unnest($1::text[], $2::text[]) AS n (channel, payload)`, names, payloads)
	}
	if err != nil && errors.Is(err, context.Canceled) && s.db.Ctx.Err() != nil {
		return database.ErrClosed
	}
	return err
}

// deliverable returns the messages without requests to which nobody can respond, which it
// completes.
func (s *sender) deliverable(ctx context.Context, messages []*outgoing) (rest []*outgoing, err error) {
	var taken map[topicLock]bool
	for _, out := range messages {
		if out.topic == nil {
			rest = append(rest, out)
			continue
		}
		if taken == nil {
			if taken, err = subscriptions(ctx, s.db, out.topic.cluster); err != nil {
				return nil, err
			}
		}
		if taken[*out.topic] {
			rest = append(rest, out)
		} else {
			out.sent <- engine.ErrNoResponder
		}
	}
	return rest, nil
}

func encodeEnds(ends map[int]uint64) string {
	var b strings.Builder
	b.WriteByte(kindEnds)
	for shard, position := range ends {
		fmt.Fprintf(&b, " %d:%d", shard, position)
	}
	return b.String()
}

func decodeEnds(text string) iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		for word := range strings.FieldsSeq(text) {
			number, position, _ := strings.Cut(word, ":")
			shard, err1 := strconv.ParseUint(number, 10, 31)
			last, err2 := strconv.ParseUint(position, 10, 64)
			if err1 == nil && err2 == nil && !yield(int(shard), last) {
				return
			}
		}
	}
}
