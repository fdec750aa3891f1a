package postgres

import (
	"sync"

	"github.com/wirepost/wirepost/engine/cluster"
)

// head is what this node knows of the end of a shard.
//
// A follower takes entries up to the last one that is known to be committed as durably as
// the database makes it: its proposer has heard so, or a later commit on the same row has
// confirmed it. Others can be visible in the table: when the wait for a synchronous standby
// is canceled, or the server restarts in that time, the entry is there although the
// standby does not have it, and a failover would lose it.
type head struct {
	mu     sync.Mutex
	last   uint64         // a position that is committed; 0: none is known
	own    *cluster.Entry // the last entry that this node proposed
	missed int            // how often notifications may have been lost
	grown  chan struct{}  // closed when there is something to read, or may be
}

// raise records that a position is committed, with the entry if that is known.
func (h *head) raise(position uint64, own *cluster.Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if own != nil {
		h.own = own
	}
	if position > h.last {
		h.last = position
		h.wakeLocked()
	}
}

// lower records that the log ends at a position, although a later one was known. If that
// has changed meanwhile, there will be another occasion.
func (h *head) lower(known, last uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == known {
		h.last, h.own = last, nil
	}
}

// known returns the last position that is known to be committed.
func (h *head) known() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// miss records that notifications may have been lost.
func (h *head) miss() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.missed++
	h.wakeLocked()
}

func (h *head) wakeLocked() {
	close(h.grown)
	h.grown = make(chan struct{})
}

func (h *head) state() (last uint64, own *cluster.Entry, missed int, grown <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last, h.own, h.missed, h.grown
}
