package hooks

import (
	"context"
	"errors"
	"sync/atomic"
)

// gate limits the requests that are under way, and those that wait for one to end.
type gate struct {
	slots   chan struct{}
	most    int64 // that wait
	waiting atomic.Int64
}

// waitingPerSlot bounds what waits. A backend that answers within 10 ms lets as many pass in
// a sixth of a second; one that does not respond has opened its breaker before that.
const waitingPerSlot = 16

func newGate(concurrency int) *gate {
	return &gate{slots: make(chan struct{}, concurrency), most: int64(concurrency) * waitingPerSlot}
}

// errBusy means that too many requests wait already.
var errBusy = errors.New("too many requests to the backend are waiting")

// enter waits until a request may be sent, after which leave must be called.
func (g *gate) enter(ctx context.Context) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.most {
		return errBusy
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) leave() { <-g.slots }
