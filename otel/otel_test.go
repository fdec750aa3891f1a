package otel_test

import (
	"context"
	"errors"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/otel"
)

// TestTracer: a server with a Tracer records the push below the span of the caller, with what
// is known of the message; without a span, or one that is not recorded, it records nothing.
func TestTracer(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	s, err := wirepost.New(wirepost.Options{
		Tracer: otel.NewTracer(provider),
		VerifyToken: func(context.Context, string) (wirepost.Identity, error) {
			return wirepost.Identity{}, wirepost.ErrForbidden
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(context.Background()) }) //nolint:errcheck // no client is connected
	if _, err := s.Push(t.Context(), wirepost.Push{To: "news", Data: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	none := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	ctx, unrecorded := none.Tracer("test").Start(t.Context(), "request")
	if _, err := s.Push(ctx, wirepost.Push{To: "news", Data: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	unrecorded.End()
	if got := spans.GetSpans(); len(got) != 0 {
		t.Fatalf("%d spans of pushes that are not traced", len(got))
	}

	ctx, caller := provider.Tracer("test").Start(t.Context(), "request")
	pushed, err := s.Push(ctx, wirepost.Push{To: "news", Data: []byte("1"), ID: "first"})
	if err != nil {
		t.Fatal(err)
	}
	caller.End()
	got := spans.GetSpans()
	if len(got) != 3 {
		t.Fatalf("%d spans, not append, push and request", len(got))
	}
	stored, push := got[0], got[1]
	if push.Name != "push" || push.Parent.SpanID() != caller.SpanContext().SpanID() || push.SpanKind != trace.SpanKindProducer {
		t.Errorf("the push is %+v", push)
	}
	if stored.Name != "append" || stored.Parent.SpanID() != push.SpanContext.SpanID() || stored.SpanContext.TraceID() != caller.SpanContext().TraceID() {
		t.Errorf("the append is %+v", stored)
	}
	have := map[string]any{}
	for _, a := range push.Attributes {
		have[string(a.Key)] = a.Value.AsInterface()
	}
	for key, want := range map[string]any{
		"messaging.system": "wirepost", "messaging.destination.name": "news", "messaging.message.id": "first", "wirepost.seq": int64(pushed.Seq),
	} {
		if have[key] != want {
			t.Errorf("%s is %v, want %v", key, have[key], want)
		}
	}
}

// TestSpan: a span has the times and the error that it is given.
func TestSpan(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewInMemoryExporter()
	tracer := otel.NewTracer(sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)))
	began := time.UnixMilli(1_789_000_000_000)
	tracer.Start(&wirepost.SpanStart{Name: wirepost.SpanDeliver, Parent: wirepost.TraceContext{Trace: [16]byte{1}, Span: [8]byte{2}, Flags: 1}, At: began, User: "42"}).
		End(&wirepost.SpanEnd{At: began.Add(time.Second), Err: errors.New("no luck")})
	s := spans.GetSpans()[0]
	if !s.StartTime.Equal(began) || s.EndTime.Sub(s.StartTime) != time.Second || s.Status.Description != "no luck" || s.Parent.SpanID() != (trace.SpanID{2}) {
		t.Errorf("%+v", s)
	}
}
