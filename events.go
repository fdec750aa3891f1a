package wirepost

import (
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"time"

	"github.com/wirepost/wirepost/internal/callback"
	"github.com/wirepost/wirepost/internal/events"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/signing"
)

// eventLog is what the server has if events are written.
type eventLog struct {
	recorder  *events.Recorder
	readers   *events.Readers
	lease     *events.Lease // nil: there are no other nodes
	endpoints []*events.Endpoint
}

// makeRecorder makes the recorder, if there is something to record.
func (s *Server) makeRecorder(feeds *feed.Feeds) {
	o := &s.opts.Events
	var filters []events.Filter
	for _, e := range o.Endpoints {
		filters = append(filters, events.Filter{Types: e.Types, Channels: e.Channels})
	}
	if s.opts.OnEvent != nil {
		filters = append(filters, events.Filter{Types: o.Types, Channels: o.Channels})
	}
	if !s.opts.writesEvents() {
		return
	}
	c := events.Config{
		Log: s.engine, Users: s.engine, Feeds: feeds, Filters: filters, Grace: o.Grace, Retention: o.Retention,
		Now: func() time.Time { return s.host.Clock.Now() }, Logger: s.logger,
	}
	if s.clustered() {
		c.Elsewhere, c.Nodes = s.elsewhere, s.others
		c.Leading = func() bool { return s.events.lease.Held() }
	}
	s.events.recorder = events.New(c)
}

// startEvents starts to write and deliver events.
func (s *Server) startEvents() (err error) {
	if s.events.recorder == nil {
		return nil
	}
	if s.clustered() {
		s.events.lease, err = events.NewLease(events.LeaseConfig{
			Node: s.shared.Node(), Bus: s.shared.Bus(), Nodes: s.others, Ready: s.storage, Logger: s.logger,
		})
		if err != nil {
			return optionError("Engine", "listen to the other nodes: %s", err)
		}
	}
	s.events.readers = events.NewReaders(s.events.recorder, s.events.lease, s.eventTargets())
	return nil
}

// eventTargets are the readers of the log of events.
func (s *Server) eventTargets() (targets []events.Target) {
	for _, e := range s.opts.Events.Endpoints {
		if e.URL == "" {
			continue
		}
		to, _ := url.Parse(e.URL) // check has parsed it
		var secrets []signing.Secret
		for _, text := range e.Secrets {
			secret, _ := signing.ParseSecret(text) // likewise
			secrets = append(secrets, secret)
		}
		endpoint := events.NewEndpoint(to, secrets, s.engine.Epoch())
		s.events.endpoints = append(s.events.endpoints, endpoint)
		label := endpoint.Label()
		for i := 2; slices.ContainsFunc(targets, func(t events.Target) bool { return t.Label == label }); i++ {
			label = fmt.Sprintf("%s #%d", endpoint.Label(), i)
		}
		targets = append(targets, events.Target{
			Name: endpoint.Name(), Label: label, Deliver: endpoint.Deliver,
			Filter: events.Filter{Types: e.Types, Channels: e.Channels},
		})
	}
	if s.opts.OnEvent != nil {
		targets = append(targets, events.Target{
			Name: onEventReader, Label: onEventReader, Deliver: s.onEvents,
			Filter: events.Filter{Types: s.opts.Events.Types, Channels: s.opts.Events.Channels},
		})
	}
	return targets
}

// onEvents calls OnEvent.
func (s *Server) onEvents(ctx context.Context, list []Event) (n int, err error) {
	for n = range list {
		e := list[n]
		if p := callback.Guard(s.logger, onEventReader, e.User, func() { err = s.opts.OnEvent(ctx, e) }); p != nil {
			return n, p
		}
		if err != nil {
			return n, err
		}
	}
	return len(list), nil
}

// eventFlush is how long Shutdown waits until the last events are written.
const eventFlush = 2 * time.Second

// closeEvents writes what has happened, and stops the readers.
func (s *Server) closeEvents() {
	if s.events.readers == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), eventFlush)
	defer cancel()
	s.events.recorder.Close(ctx)
	s.events.readers.Close()
	if s.events.lease != nil {
		s.events.lease.Close()
	}
	for _, e := range s.events.endpoints {
		e.Close()
	}
}

// eventHooks sets the hooks of sessions for events.
func (s *Server) eventHooks(h *session.Hooks) {
	r := s.events.recorder
	if r == nil || !r.Wants(events.SessionConnected, events.SessionDisconnected) {
		return
	}
	h.Began = func(of session.Summary) { r.Connected(events.Session(of)) }
	h.Ended = func(of session.Summary, e session.CloseInfo) { r.Disconnected(events.Session(of), e.Code, e.Reason) }
}

// counted is called when the number of connections in a channel on this node has changed.
func (s *Server) counted(channel string, before, after int) {
	if s.clustered() {
		s.peers.Changed(channel)
	}
	if r := s.events.recorder; r != nil {
		r.Counted(channel, before, after)
	}
}

// EventsWritten reports whether events are written at all.
func (s *Server) EventsWritten() bool { return s.events.recorder != nil }

// ReadEvents lists the events after a sequence, at most limit; 0 means DefaultLimit. Next is
// the sequence to pass for the next page; it equals after if there were no events. If events
// after the sequence were removed, the first one is an EventGap; with 0, the list begins
// with the oldest event. If the sequence is above the last one, as after the restore of a
// backup, there is only an EventGap, and next is the last sequence; math.MaxUint64 means the
// last sequence without a gap. A node of a cluster that lags is waited for, up to 5 s.
func (s *Server) ReadEvents(ctx context.Context, after uint64, limit int) (list []Event, next uint64, err error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, AsError(err)
	}
	if limit, err = pageLimit(limit); err != nil {
		return nil, 0, err
	}
	if err := s.catchUpEvents(ctx, after); err != nil {
		return nil, 0, public(err)
	}
	list, next, err = events.Read(ctx, s.engine, after, limit, s.host.Clock.Now())
	if err != nil {
		s.host.ReadFailed(ctx, events.Channel, err)
	}
	return list, next, public(err)
}

// catchUpEvents waits in a cluster until this node has the events up to a sequence that
// another one has returned.
func (s *Server) catchUpEvents(ctx context.Context, after uint64) error {
	if s.shared == nil {
		return nil
	}
	bounds, err := s.engine.Bounds(ctx, events.Channel)
	if err != nil || after <= bounds.Head {
		return err
	}
	log, err := s.host.Feeds.Acquire(events.Channel)
	if err != nil {
		return err
	}
	defer s.host.Feeds.Unref(log)
	return s.host.CatchUp(ctx, time.Now().Add(session.Patience), log, after)
}

// FollowEvents iterates over the events after a sequence, first the stored ones and then
// new ones as they are written, until the loop breaks or ctx is done. math.MaxUint64 means
// only what is written after the loop has begun; another sequence above the last one has an
// EventGap before them. The error, if any, is the last thing: that of ctx or of the store.
func (s *Server) FollowEvents(ctx context.Context, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		log, err := s.host.Feeds.Acquire(events.Channel)
		if err != nil {
			yield(Event{}, public(err))
			return
		}
		defer s.host.Feeds.Unref(log)
		advanced := make(chan struct{}, 1)
		log.Listen(advanced)
		defer log.Unlisten(advanced)
		for {
			list, next, err := s.ReadEvents(ctx, after, MaxLimit)
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range list {
				if !yield(e, nil) {
					return
				}
			}
			after = next
			if len(list) > 0 {
				continue
			}
			select {
			case <-advanced:
			case <-ctx.Done():
			case <-s.host.Base.Done():
				yield(Event{}, errDraining)
				return
			}
		}
	}
}

// EventStats describes the log of events and its readers.
type EventStats struct {
	Seq     uint64 // the last sequence in the log; 0 unless it was asked for what readers have before them
	Written uint64 // events, by this node
	Lost    uint64 // events that this node could not write
	Readers []EventReader
}

// EventReader is an endpoint, or OnEvent.
type EventReader struct {
	Target    string        `json:"target"` // the endpoint's URL without its query, or "OnEvent"
	Active    bool          `json:"active"` // this node delivers: in a cluster, one does
	Seq       uint64        `json:"seq"`    // delivered up to here
	Behind    int           `json:"behind"` // events after that, those that it does not want included
	Delivered uint64        `json:"delivered"`
	Retried   uint64        `json:"retried"` // deliveries that failed
	Gaps      uint64        `json:"gaps"`
	Lag       time.Duration `json:"-"`               // the age of the oldest event that was sent and not accepted
	Latency   time.Duration `json:"-"`               // of the last delivery
	Error     string        `json:"error,omitempty"` // of the last delivery, if it failed
}

// EventStats returns the state of the log of events. It counts what readers have before
// them in the store only with behind.
func (s *Server) EventStats(ctx context.Context, behind bool) EventStats {
	if s.events.readers == nil {
		return EventStats{}
	}
	var all EventStats
	all.Written, all.Lost = s.events.recorder.Stats()
	now := s.host.Clock.Now().UnixMilli()
	if behind {
		bounds, _ := s.engine.Bounds(ctx, events.Channel) //nolint:errcheck // then it is unknown
		all.Seq = bounds.Head
	}
	for _, r := range s.events.readers.Stats() {
		reader := EventReader{
			Target: r.Target, Active: r.Active, Seq: r.Seq, Delivered: r.Delivered, Retried: r.Retried, Gaps: r.Gaps, Error: r.Error,
			Latency: r.Latency,
		}
		if r.Waiting > 0 {
			reader.Lag = time.Duration(max(0, now-r.Waiting)) * time.Millisecond
		}
		if behind && r.Active {
			reader.Behind, _ = s.engine.Count(ctx, events.Channel, r.Seq) //nolint:errcheck // likewise
		}
		all.Readers = append(all.Readers, reader)
	}
	return all
}
