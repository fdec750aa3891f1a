// Package otel records the pushes of a Wirepost server as spans of OpenTelemetry. It needs
// only the API of OpenTelemetry: the program chooses the SDK and where spans go.
//
//	wirepost.New(wirepost.Options{Tracer: otel.NewTracer(provider), …})
//
// A push belongs to the span that Push.TraceParent names, else to the one in the context of
// Server.Push, else to that of the traceparent header of the HTTP request. Without the flag
// sampled nothing is recorded.
package otel

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/wirepost/wirepost"
)

// NewTracer returns a Tracer for Options.Tracer. Starting and ending a span of p must not
// block, as with the batching processor of the SDK.
func NewTracer(p trace.TracerProvider) wirepost.Tracer {
	return tracer{p.Tracer("github.com/wirepost/wirepost")}
}

type tracer struct{ tracer trace.Tracer }

// Caller implements wirepost.Tracer.
func (tracer) Caller(ctx context.Context) wirepost.TraceContext {
	return contextOf(trace.SpanContextFromContext(ctx))
}

var kinds = map[wirepost.SpanName]trace.SpanKind{
	wirepost.SpanPush:        trace.SpanKindProducer,
	wirepost.SpanAppend:      trace.SpanKindInternal,
	wirepost.SpanDeliver:     trace.SpanKindConsumer,
	wirepost.SpanAcknowledge: trace.SpanKindInternal,
}

// Start implements wirepost.Tracer.
func (t tracer) Start(s *wirepost.SpanStart) wirepost.Span {
	parent := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: s.Parent.Trace, SpanID: s.Parent.Span, TraceFlags: trace.TraceFlags(s.Parent.Flags), Remote: true,
	})
	attributes := make([]attribute.KeyValue, 0, 9)
	attributes = append(attributes,
		attribute.String("messaging.system", "wirepost"), attribute.String("messaging.operation.name", string(s.Name)),
		attribute.String("messaging.destination.name", s.Channel))
	for _, a := range [...]struct{ key, value string }{
		{messageID, s.Message},
		{"wirepost.user", s.User},
		{"wirepost.device", s.Device},
		{"wirepost.connection", s.Connection},
		{"wirepost.mode", s.Mode},
	} {
		if a.value != "" {
			attributes = append(attributes, attribute.String(a.key, a.value))
		}
	}
	if s.Seq != 0 {
		attributes = append(attributes, attribute.Int64(sequence, int64(s.Seq)))
	}
	_, started := t.tracer.Start(trace.ContextWithRemoteSpanContext(context.Background(), parent), string(s.Name),
		trace.WithTimestamp(s.At), trace.WithSpanKind(kinds[s.Name]), trace.WithAttributes(attributes...))
	return span{started}
}

const (
	messageID = "messaging.message.id"
	sequence  = "wirepost.seq"
)

type span struct{ span trace.Span }

// Context implements wirepost.Span.
func (s span) Context() wirepost.TraceContext { return contextOf(s.span.SpanContext()) }

// End implements wirepost.Span.
func (s span) End(e *wirepost.SpanEnd) {
	if e.Message != "" {
		s.span.SetAttributes(attribute.String(messageID, e.Message))
	}
	if e.Seq != 0 {
		s.span.SetAttributes(attribute.Int64(sequence, int64(e.Seq)))
	}
	if e.Duplicate {
		s.span.SetAttributes(attribute.Bool("wirepost.duplicate", true))
	}
	if e.Err != nil {
		s.span.SetStatus(codes.Error, e.Err.Error())
	}
	s.span.End(trace.WithTimestamp(e.At))
}

func contextOf(c trace.SpanContext) wirepost.TraceContext {
	return wirepost.TraceContext{Trace: c.TraceID(), Span: c.SpanID(), Flags: byte(c.TraceFlags())}
}
