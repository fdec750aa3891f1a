package session

import (
	"context"
	"time"

	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/feed"
)

const (
	// Patience is how long a client waits for a node to apply what another node has sent
	// it.
	Patience = 5 * time.Second
	// maxLag is how far above the head a sequence may be that another node has sent. What
	// is higher, such as the largest number, just means the head.
	maxLag = 1 << 32
)

// CatchUp waits until this node has applied a channel up to a sequence that a client has
// received, or a device acknowledged, on another node. Without it the session would begin
// before that sequence and repeat messages, or the client would take the channel for an
// emptied one. A sequence that the channel does not reach in time is taken to be above
// every node's head, if this node has everything that is in the log. Otherwise the client
// must choose another node: this one may lag without knowing, such as when it does not reach
// the log.
func (h *Host) CatchUp(ctx context.Context, until time.Time, f *feed.Feed, seq uint64) error {
	if head := f.Head(); h.Current == nil || seq <= head || seq-head > maxLag {
		return nil
	}
	waiting, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	if f.Await(waiting, seq) == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := h.Current(ctx, f.Channel()); err != nil {
		return &fault.Error{
			Code: fault.Unavailable, Message: "this node has not caught up with the others", RetryAfter: Patience, Err: err,
		}
	}
	return nil
}
