package session

import (
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/cursor"
	"github.com/wirepost/wirepost/internal/trace"
)

// maxSpans is how many deliveries a loop records in one turn. Those of a message to very many
// clients would delay it.
const maxSpans = 64

// trace adds a message to those of the batch that are traced.
func (s *Session) trace(sub *subscription, r *engine.Record) {
	l := s.loop
	if l.host.Tracer == nil || l.spans >= maxSpans {
		return
	}
	if parent := trace.Of(r.Trace); parent.Sampled() {
		l.spans++
		l.batch.traced = append(l.batch.traced, traced{sub: sub, seq: r.Seq, id: r.ID, parent: parent})
	}
}

// beginDelivery returns when the batch is written, if it has a message that is traced.
func (s *Session) beginDelivery() (began time.Time) {
	if len(s.loop.batch.traced) > 0 {
		began = time.Now()
	}
	return began
}

// endDelivery records that the batch was written, and keeps what an acknowledgement needs.
func (s *Session) endDelivery(began time.Time) {
	if began.IsZero() {
		return
	}
	now := time.Now()
	for _, t := range s.loop.batch.traced {
		span := s.startSpan(trace.Deliver, &t, began)
		t.parent, t.sent = span.Context(), now
		span.End(&trace.End{At: now})
		switch {
		case s.mode.Codec().Acknowledged() == codec.ByReturn:
			s.loop.host.returns.add(delivered{
				user: s.user.Name(), device: s.device, channel: t.sub.Feed.Channel(),
				id: t.id, seq: t.seq, span: t.parent, at: now,
			})
		case s.counts(t.sub) && s.window != nil:
			s.window.traced = append(s.window.traced, t)
		}
	}
}

// traceAcknowledged records that the client has acknowledged a subscription's messages up to a
// sequence.
func (s *Session) traceAcknowledged(sub *subscription, through uint64) {
	if s.window == nil || len(s.window.traced) == 0 {
		return
	}
	now := time.Now()
	for _, t := range s.window.traced {
		if t.sub == sub && t.seq <= through {
			s.startSpan(trace.Acknowledge, &t, t.sent).End(&trace.End{At: now})
		}
	}
}

// traceReturned records what a client acknowledges with the cursor of its connect request.
func (s *Session) traceReturned(c *cursor.Cursor) {
	if s.loop.host.Tracer == nil || c == nil {
		return
	}
	now := time.Now()
	for _, d := range s.loop.host.returns.take(s.user.Name(), s.device, c) {
		if sub := s.subscription(d.channel); sub != nil {
			t := traced{sub: sub, seq: d.seq, id: d.id, parent: d.span}
			s.startSpan(trace.Acknowledge, &t, d.at).End(&trace.End{At: now})
		}
	}
}

func (s *Session) startSpan(name trace.Name, t *traced, at time.Time) trace.Span {
	return s.loop.host.Tracer.Start(&trace.Start{
		Name: name, Parent: t.parent, At: at, Channel: t.sub.Feed.Channel(), Message: t.id, Seq: t.seq,
		User: s.user.Name(), Device: s.device, Connection: s.connection.String(), Mode: s.mode.Codec().Name(),
	})
}
