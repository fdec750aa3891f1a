package trace

import (
	"context"
	"time"
)

// Tracer records spans. All methods must be safe for concurrent use, and must not block: they
// are called on event loops, too.
type Tracer interface {
	// Caller returns the context of the span that a call belongs to, as ctx has it; zero if
	// there is none.
	Caller(ctx context.Context) Context
	// Start starts a span.
	Start(s *Start) Span
}

// Start says which span starts.
type Start struct {
	Name   Name
	Parent Context
	At     time.Time

	Channel, Message string // the names of both; Message is "" if it is not known yet
	Seq              uint64 // 0 if it is not known yet
	// Of spans of a session:
	User, Device, Connection, Mode string
}

// Span is a span that has started.
type Span interface {
	Context() Context
	// End ends the span. It is called once.
	End(e *End)
}

// End says how a span ends.
type End struct {
	At        time.Time
	Message   string
	Seq       uint64 // 0 if the span does not tell
	Duplicate bool   // nothing was stored: the message has been pushed before
	Err       error
}

// Name says what a span is about.
type Name string

// The names of spans.
const (
	Push        Name = "push"        // from the call to its result
	Append      Name = "append"      // storing the message: below push
	Deliver     Name = "deliver"     // writing the message to a connection: below push
	Acknowledge Name = "acknowledge" // from then until the client acknowledges it: below deliver
)
