package committer

import (
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// requestBytes is the size of an entry in the queue besides its data.
const requestBytes = 256

// request is a request to the committer: to append entries, or to run a function in its
// order in the queue.
type request struct {
	// of an append
	entries []engine.Entry
	pins    []cache.Pins // one for each entry
	results []engine.Result

	// of anything else
	run func(*stage.Changes) error

	sync  bool // wants the fsync
	frees bool // may be written when space is short, because it makes space
	err   error
	// done receives one value: nil when the request is complete, or an error if that took
	// too long. In that case the request still belongs to the committer.
	done chan error

	one [1]cache.Pins // room for the pins of a single entry
}

func newRequest() any { return &request{done: make(chan error, 1)} }

func (rq *request) size() int {
	n := requestBytes * max(1, len(rq.entries))
	for i := range rq.entries {
		n += len(rq.entries[i].Data)
		if t := rq.entries[i].Sets; t != nil {
			n += len(t.Data)
		}
	}
	return n
}

// makePins makes room for the pins of the entries.
func (rq *request) makePins() {
	if len(rq.entries) == 1 {
		rq.pins = rq.one[:]
	} else {
		rq.pins = make([]cache.Pins, len(rq.entries))
	}
}
