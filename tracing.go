package wirepost

import (
	"context"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/trace"
)

// pushSpans are the spans of the pushes of a call, by their indexes. Those of pushes that are
// not traced are nil, and all are if none is.
type pushSpans []trace.Span

// beginPushes starts the spans of pushes, and has their entries keep them.
func (s *Server) beginPushes(ctx context.Context, pushes []Push, entries []engine.Entry) (spans pushSpans) {
	if s.opts.Tracer == nil {
		return nil
	}
	caller := s.opts.Tracer.Caller(ctx)
	if caller == (trace.Context{}) {
		caller = trace.Caller(ctx)
	}
	for i := range pushes {
		parent := caller
		if p := &pushes[i]; p.TraceParent != "" {
			parent, _ = trace.Parse(p.TraceParent) // prepare refuses an invalid one
		}
		if !parent.Sampled() {
			continue
		}
		if spans == nil {
			spans = make(pushSpans, len(pushes))
		}
		span := s.opts.Tracer.Start(&trace.Start{
			Name: trace.Push, Parent: parent, At: time.Now(), Channel: pushes[i].To, Message: pushes[i].ID,
		})
		spans[i] = span
		if c := span.Context(); c.Sampled() {
			entries[i].Trace = c.Stored()
		}
	}
	return spans
}

// end ends the spans with the results of the pushes.
func (spans pushSpans) end(out []BatchResult) {
	if spans == nil {
		return
	}
	now := time.Now()
	for i, span := range spans {
		if span != nil {
			r := &out[i]
			span.End(&trace.End{At: now, Message: r.ID, Seq: r.Seq, Duplicate: r.Duplicate, Err: r.Err})
		}
	}
}

// fail ends the spans of a call that has stored nothing.
func (spans pushSpans) fail(err error) {
	now := time.Now()
	for _, span := range spans {
		if span != nil {
			span.End(&trace.End{At: now, Err: err})
		}
	}
}

// traceAppend records the time that it took to store entries, for each that is traced.
func (s *Server) traceAppend(entries []engine.Entry, results []engine.Result, begun time.Time, err error) {
	if s.opts.Tracer == nil {
		return
	}
	now := time.Now()
	for i := range entries {
		e := &entries[i]
		parent := trace.Of(e.Trace)
		if !parent.Sampled() {
			continue
		}
		end := trace.End{At: now, Err: err}
		if err == nil {
			end.Seq, end.Duplicate, end.Err = results[i].Seq, results[i].Duplicate, results[i].Err
		}
		s.opts.Tracer.Start(&trace.Start{
			Name: trace.Append, Parent: parent, At: begun, Channel: e.Channel, Message: e.ID,
		}).End(&end)
	}
}
