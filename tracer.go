package wirepost

import "github.com/wirepost/wirepost/internal/trace"

// Tracer records what happens to the pushes of a trace: the push itself, storing it, its
// delivery to each connection, and each acknowledgement. NewTracer of the package wirepost/otel
// makes one for OpenTelemetry. There are spans only of pushes whose caller records the trace
// (the flag sampled). A push keeps its trace context with the message, so the spans of a user
// who comes back later belong to the same trace.
type Tracer = trace.Tracer

// TraceContext names a span, as W3C Trace Context has it.
type TraceContext = trace.Context

// Span is a span of a Tracer, SpanStart says which it is, and SpanEnd how it ended.
type (
	Span      = trace.Span
	SpanStart = trace.Start
	SpanEnd   = trace.End
	SpanName  = trace.Name
)

// The names of spans.
const (
	SpanPush        = trace.Push        // from the call to its result
	SpanAppend      = trace.Append      // storing the message; the parent is SpanPush
	SpanDeliver     = trace.Deliver     // writing the message to a connection; the parent is SpanPush
	SpanAcknowledge = trace.Acknowledge // from then until the client acknowledges it; the parent is SpanDeliver
)
