package cache

import (
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Channel is the state of a channel in memory.
type Channel struct {
	// Guarded by the mutex of the cache, written by the committer.
	Head  format.Head // as committed
	Holes *Holes      // of the head's records; nil: none

	Staged *Staged // the committer's; nil: not touched by this commit

	// Sweeping reports that the current commit removes expired records, and Sweeps counts
	// such commits. Guarded by the mutex of the cache, written by the committer.
	Sweeping bool
	Sweeps   uint32
}

// Staged holds the changes of a commit to a channel.
type Staged struct {
	Head    format.Head
	Dirty   bool   // Head must be stored, however few records it lags
	Looked  uint64 // Head.Seq at the last call of Due
	Records []*engine.Record
	Holes   []uint64 // sequences
	Dropped uint64   // the blocks before this one have no holes any more
}

// Due reports, once, whether the head must be stored. The first head always is: a channel
// without a stored head is taken to have no records.
func (w *Staged) Due() bool {
	due := w.Dirty || w.Looked == 0 && w.Head.Seq > 0 || w.Looked/format.Checkpoint != w.Head.Seq/format.Checkpoint
	w.Dirty, w.Looked = false, w.Head.Seq
	return due
}

// PublishHoles publishes a commit's holes, with the mutex of the cache held.
func (w *Staged) PublishHoles(s *Slot[Channel]) {
	h := s.V.Holes
	if h == nil {
		if len(w.Holes) == 0 {
			return
		}
		h = new(Holes)
		s.V.Holes = h
	}
	h.Full, h.Unstored = nil, nil // see settle
	h.drop(w.Dropped)             // the holes of this commit are after that
	for _, seq := range w.Holes {
		h.add(format.BlockOf(seq), 1)
	}
	if len(h.groups) == 0 {
		s.V.Holes = nil
	}
}
