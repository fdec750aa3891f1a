package propose

import (
	"fmt"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// Call is the changes of one call in one shard.
type Call struct {
	Data    []byte // the changes, encoded
	Entries int    // in them
	Level   int    // of the operations in them
	Alone   bool   // in a batch of its own
	Sweep   bool   // asks for a sweep
	Forget  string // the member to forget; alone

	done    chan struct{} // closed when it is complete
	results []engine.Result
	err     error
}

// NewCall returns a call without changes.
func NewCall() *Call { return &Call{Level: 1, done: make(chan struct{})} }

func (c *Call) end(results []engine.Result, err error) {
	c.results, c.err = results, err
	close(c.done)
}

// Wait waits until a call that was started is complete, and returns a result for each of
// its entries. A call that waits longer than patience is given up, but may still be made.
func (c *Call) Wait(patience time.Duration) ([]engine.Result, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
		return c.results, c.err
	case <-timer.C:
		return nil, fmt.Errorf("%w: no answer", engine.ErrLogStalled)
	}
}
