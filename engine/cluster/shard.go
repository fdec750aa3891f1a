package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
	"github.com/wirepost/wirepost/engine/memory"
)

// shard is one shard of the log: what this node proposes to it, and what it applies.
type shard struct {
	e       *Engine
	number  int
	replica engine.Replica
	memory  *memory.Replica // the replica, if the shard is that of memory-only channels

	mu     sync.Mutex
	queue  []*call
	queued int           // bytes in it
	room   chan struct{} // closed when the queue was taken; nil: nothing waits

	proposer batch.Proposer
	counter  uint64        // of the last batch that was proposed
	flight   []*call       // the calls in it, until it was seen in the log
	pending  pending       // what is in it
	outdated chan struct{} // cap 1: it has to be encoded again
	seen     chan struct{} // closed when it was seen
	gate     chan struct{} // closed while proposals may be made
	broken   error         // the last proposal failed; nil: not so
	report   bool          // the next batch has to report this node

	stopped     error // the replica cannot go on; nil: it can
	paused      error // the replica cannot go on for now; nil: it can
	pauses      int   // how often it was found that it cannot
	repairing   repairing
	unfollowed  error  // the log cannot be followed; nil: it can
	behind      bool   // the replica has not caught up with the log yet
	proof       uint64 // the counter of the batch that has to be seen until it is known to be current; 0: none
	restart     context.CancelCauseFunc
	moved       time.Time // when the last batch was applied
	reached     time.Time // when the log was last heard of
	asked       time.Time // when the first proposal was made since one was taken; zero: none
	unreachable bool      // none was taken for too long
	ahead       lag
	furthest    sight // the last position that another node has

	// What the replica has applied, as the last batch left it.
	at, size   uint64
	generation uint64
	history    uint64
	time       int64
	members    []note.Member // is not changed

	durable    extent
	held       *extent // from which the log is kept, see hold; nil: it is not
	reported   extent  // the durable one of the last report
	reportedAt time.Time

	work chan struct{} // cap 1: there is something to propose

	note   note.Note   // owned by follow
	recent note.Recent // owned by follow
	short  time.Time   // owned by follow: since when the log has been too short; zero: it is not
}

func newShard(e *Engine, number int, r engine.Replica) (*shard, error) {
	at, now, data := r.Applied(number)
	known, err := note.Decode(data)
	if err != nil {
		return nil, err
	}
	return &shard{
		e: e, number: number, replica: r, work: make(chan struct{}, 1), gate: make(chan struct{}), outdated: make(chan struct{}, 1),
		proposer: batch.NewProposer(), note: known, members: known.Members,
		behind: true, at: at, size: known.Size, history: known.History, generation: known.Generation, time: now, durable: extent{at, known.Size}, report: true,
		moved: time.Now(), reached: time.Now(),
	}, nil
}

// open allows proposals, and shut forbids them.
func (s *shard) open() {
	select {
	case <-s.gate:
	default:
		close(s.gate)
	}
}

func (s *shard) shut() {
	select {
	case <-s.gate:
		s.gate = make(chan struct{})
	default:
	}
}

// ready returns why the shard takes no changes now, or nil.
func (s *shard) ready() error {
	state, err := s.state()
	switch {
	case err == nil:
		return nil
	case state == engine.NodeStopped && errors.As(err, new(*stopError)):
		return fmt.Errorf("%w: shard %d: %w", engine.ErrFailed, s.number, err)
	}
	return fmt.Errorf("%w: shard %d: %w", engine.ErrUnavailable, s.number, err)
}

// state returns what the shard does, and why it is not ready.
func (s *shard) state() (engine.NodeState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopped != nil:
		return engine.NodeStopped, s.stopped
	case s.paused != nil:
		return engine.NodeStopped, s.paused
	}
	if state, err := s.waitsLocked(); err != nil {
		return state, err
	}
	return engine.NodeReady, nil
}

// reachedLocked records that the log was heard of.
func (s *shard) reachedLocked() { s.reached = time.Now() }
