package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/wirepost/wirepost/engine/cluster"
)

const (
	// fetchEntries and fetchBytes limit what is read at once.
	fetchEntries = 256
	fetchBytes   = 1 << 20
	// fetchTimeout limits the time until the first or next entry that is read.
	fetchTimeout = 2 * time.Second
	// liveEntries is how many republished entries wait for a follower. Further ones are
	// read from the stream later.
	liveEntries = 64
	// pollAfter is the time after which a follower reads the stream if this process knows
	// of an entry that was not republished to it. pollAlways is the same if it knows of none.
	pollAfter  = 100 * time.Millisecond
	pollAlways = time.Second
	// maxHoles is how often a response may lack the next entry until a follower gives up.
	maxHoles = 20
)

// Follow implements cluster.Log.
func (l *Log) Follow(ctx context.Context, shard int, after uint64) iter.Seq2[cluster.Entry, error] {
	return func(yield func(cluster.Entry, error) bool) {
		f := &follower{l: l, s: l.shards[shard], at: after, yield: yield}
		if err := f.run(ctx); err != nil && !f.ended {
			yield(cluster.Entry{}, err)
		}
	}
}

// follower follows one shard. Its source is the stream, which it reads by position. The
// entries that the leader republishes save it from that while they continue its position.
type follower struct {
	l     *Log
	s     *shard
	at    uint64 // the position that was yielded last
	yield func(cluster.Entry, error) bool
	ended bool // yield has ended the iteration

	checked time.Time // when the stream was last looked at for other reasons

	responses chan *nats.Msg
	inbox     string // of the responses to all requests
	requests  int
	holes     int // after the position, one after the other
}

func (f *follower) run(ctx context.Context) error {
	live := make(chan *nats.Msg, liveEntries)
	f.responses, f.inbox = make(chan *nats.Msg, fetchEntries+1), nats.NewInbox()
	for subject, to := range map[string]chan *nats.Msg{f.s.live: live, f.inbox + ".*": f.responses} {
		sub, err := f.l.nc.ChanSubscribe(subject, to)
		if err != nil {
			return err
		}
		defer sub.Unsubscribe() //nolint:errcheck // the connection may be closed
	}
	if first, _, err := f.l.Bounds(ctx, f.s.number); err != nil {
		return err
	} else if first > f.at+1 {
		return cluster.ErrTrimmed
	}
	if err := f.fetchAll(ctx); err != nil {
		return err
	}
	ticker := time.NewTicker(pollAfter)
	defer ticker.Stop()
	moved := time.Now()
	f.checked = moved
	for !f.ended {
		before := f.at
		var err error
		select {
		case m := <-live:
			err = f.republished(ctx, m)
		case <-ticker.C:
			switch {
			case f.s.known.Load() > f.at:
				err = f.fetchAll(ctx)
			case time.Since(moved) > pollAlways && time.Since(f.checked) > pollAlways:
				err = f.check(ctx)
			}
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if f.at != before {
			moved = time.Now()
		}
	}
	return nil
}

// republished takes an entry that the leader has sent.
func (f *follower) republished(ctx context.Context, m *nats.Msg) error {
	entry, err := decode(m)
	if err != nil {
		return err
	}
	f.s.exists(entry.Position)
	switch {
	case entry.Position > f.at+1:
		return f.fetchAll(ctx)
	case entry.Position <= f.at && time.Since(f.checked) > pollAlways:
		return f.checkEnd(ctx)
	}
	f.take(entry)
	return nil
}

// checkEnd fails if the stream ends before the position of the follower. It is called for
// an entry that the follower has: usually it was read just before it was republished.
func (f *follower) checkEnd(ctx context.Context) error {
	f.checked = time.Now()
	_, last, err := f.l.Bounds(ctx, f.s.number)
	if err == nil && last < f.at {
		return fmt.Errorf("the log ends at %d, and its follower is at %d", last, f.at)
	}
	return nil // or it is not known now
}

// take yields an entry, if it was not yielded before.
func (f *follower) take(entry cluster.Entry) {
	if entry.Position <= f.at || f.ended {
		return
	}
	f.at, f.holes = entry.Position, 0
	f.s.exists(f.at)
	f.ended = !f.yield(entry, nil)
}

// decode decodes an entry from a message of the stream, whose position and time are in the
// header.
func decode(m *nats.Msg) (cluster.Entry, error) {
	position, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return cluster.Entry{}, fmt.Errorf("the position of an entry: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return cluster.Entry{}, fmt.Errorf("the time of entry %d: %w", position, err)
	}
	return cluster.Entry{Position: position, Time: at.UnixMilli(), Data: m.Data}, nil
}

// fetchAll yields everything that is in the stream. While no server answers, it does
// nothing: a follower that waits is not behind because of that.
func (f *follower) fetchAll(ctx context.Context) error {
	for !f.ended {
		more, err := f.fetch(ctx)
		if errors.Is(err, errNoAnswer) && !f.l.inMemory(f.s) {
			return nil
		}
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// errNoAnswer says that no server has sent what was asked for.
var errNoAnswer = errors.New("no server has answered")

// fetch yields the next entries, as many as a server sends at once. More says that there
// are further ones.
//
// The API is that of ADR-31 of NATS: $JS.API.DIRECT.GET with a batch.
func (f *follower) fetch(ctx context.Context) (more bool, err error) {
	f.requests++
	reply := fmt.Sprint(f.inbox, ".", f.requests)
	request, err := json.Marshal(map[string]any{"seq": f.at + 1, "batch": fetchEntries, "max_bytes": fetchBytes})
	if err != nil {
		return false, err
	}
	if err := f.l.nc.PublishRequest("$JS.API.DIRECT.GET."+f.l.name(f.s), reply, request); err != nil {
		return false, errors.Join(errNoAnswer, err)
	}
	timer := time.NewTimer(fetchTimeout)
	defer timer.Stop()
	for !f.ended {
		var m *nats.Msg
		select {
		case m = <-f.responses:
		case <-timer.C:
			return false, errNoAnswer
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
		if m.Subject != reply {
			continue // it is late
		}
		timer.Reset(fetchTimeout)
		switch status := m.Header.Get("Status"); status {
		case "":
			entry, err := decode(m)
			if err != nil {
				return false, err
			}
			if entry.Position > f.at+1 {
				return false, f.hole(ctx, entry.Position)
			}
			f.take(entry)
		case "204": // the last one
			pending, err := strconv.ParseUint(m.Header.Get("Nats-Num-Pending"), 10, 64)
			return pending > 0, err
		case "404": // none
			return false, nil
		case "503": // nobody responds
			return false, errNoAnswer
		default:
			return false, fmt.Errorf("reading the stream: %s %s", status, m.Header.Get("Description"))
		}
	}
	return false, nil
}

// hole is why the next entry of a response is not the next of the follower. The stream
// denies deletions, so only Trim removes entries. But a message of the response may have been lost, when a route
// between servers broke or the responses to earlier requests came all at once: then the
// follower asks again.
func (f *follower) hole(ctx context.Context, next uint64) error {
	first, _, err := f.l.Bounds(ctx, f.s.number)
	switch {
	case err != nil:
		return errors.Join(errNoAnswer, err)
	case first > f.at+1:
		return cluster.ErrTrimmed
	}
	if f.holes++; f.holes > maxHoles {
		return fmt.Errorf("the log begins at %d, but its server sends entry %d after %d", first, next, f.at)
	}
	return errNoAnswer
}

// check is called while there are no entries: the stream may have been lost.
func (f *follower) check(ctx context.Context) error {
	f.checked = time.Now()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	if f.l.inMemory(f.s) {
		// It may have been replaced by one that another node has made.
		before := f.l.name(f.s)
		if _, _, err := f.l.Bounds(ctx, f.s.number); err != nil || f.l.name(f.s) != before {
			return errors.Join(errNoAnswer, err)
		}
	}
	return f.fetchAll(ctx)
}
