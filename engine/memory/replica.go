package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
)

// MaxEntries is the most entries in a batch of a Replica.
const MaxEntries = 256

// Replica is an engine whose changes come from a log, which other nodes apply as well.
// It has one shard, whose number does not matter.
//
// The sequence of a record follows from the position of its batch, so that it is the same
// on a node that has not seen the beginning of the log. That one has fewer records than
// the others, and reports those before as lost. What it does with a later entry may depend
// on that: it may not know the message that the entry revokes, or that an entry with the
// same ID is already there.
type Replica struct {
	*Engine
	time atomic.Int64 // of the last batch

	// Of the last batch, guarded by mu.
	position uint64
	note     []byte
}

var _ engine.Replica = (*Replica)(nil)

// NewReplica returns an empty replica. Its records expire by the time of its batches.
// Base and the clocks in the options are not used.
func NewReplica(o Options) *Replica {
	o.Base = 0
	r := &Replica{Engine: New(o)}
	r.now = r.time.Load
	return r
}

var errReplica = errors.New("a replica is only changed by its log")

// Append refuses.
func (r *Replica) Append(context.Context, []engine.Entry) ([]engine.Result, error) {
	return nil, errReplica
}

// Trim refuses.
func (r *Replica) Trim(context.Context, string, uint64) error { return errReplica }

// Save refuses.
func (r *Replica) Save(context.Context, []engine.Update, bool) error { return errReplica }

// Flush does nothing: the records are never durable.
func (r *Replica) Flush(context.Context) error { return nil }

// Applied implements engine.Replica.
func (r *Replica) Applied(int) (position uint64, time int64, note []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.position, r.time.Load(), r.note
}

// Apply implements engine.Replica.
func (r *Replica) Apply(ctx context.Context, b *engine.Batch) ([]engine.Result, error) {
	r.order.Lock()
	defer r.order.Unlock()
	results, notices, err := r.apply(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("apply position %d: %w", b.Position, err)
	}
	notify(notices)
	return results, nil
}

func (r *Replica) apply(ctx context.Context, b *engine.Batch) ([]engine.Result, []notice, error) {
	r.time.Store(b.Time)
	now, err := r.enter(ctx)
	defer r.mu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	if len(b.Changes) > MaxEntries {
		return nil, nil, fmt.Errorf("%d changes in one batch", len(b.Changes))
	}
	results := make([]engine.Result, 0, len(b.Changes))
	var notices []notice
	index := make(map[*log]int) // in notices
	for i := range b.Changes {
		switch ch := &b.Changes[i]; {
		case ch.Entry != nil:
			// A record must not keep the whole batch in memory.
			in := *ch.Entry
			in.Data = bytes.Clone(in.Data)
			results = append(results, engine.Result{})
			l, record := r.appendLocked(now, First(b.Position)+uint64(i), &in, &results[len(results)-1])
			notices = addNotice(notices, index, l, record)
		case ch.Trim != nil:
			r.trimLocked(ch.Trim.Channel, ch.Trim.Through)
		case ch.Update != nil:
			r.saveLocked(ch.Update)
		}
	}
	r.fitLocked()
	r.position, r.note = b.Position, b.Note
	return results, notices, nil
}

// First returns the sequence of the first entry in the batch at a position.
func First(position uint64) uint64 { return position * MaxEntries }

// Skip says that the batches after the last one up to a position cannot be applied any
// more. All records are removed and lost, and so is what those batches have added.
func (r *Replica) Skip(position uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.closed {
		return
	}
	r.position = position
	r.mu.base = First(position+1) - 1
	for _, l := range r.mu.logs {
		for len(l.nodes) > 0 {
			r.removeLocked(l.nodes[0])
		}
		l.head, l.lost = r.mu.base, r.mu.base
	}
}
