package engine

import "context"

// Replica is a store whose changes all come from a log, which other nodes apply as
// well: batches of changes, in one order for each shard. The state of a shard follows from
// the batches that were applied, and from nothing else. Two replicas at the same position
// of a shard give the same answers about its channels and users.
//
// Apply replaces Append, Trim and Save, which a replica refuses.
type Replica interface {
	Engine

	// Apply applies the next batch of a shard, and returns a Result for each entry in it,
	// in order. On return the batch is visible to readers, and watchers have been called.
	// It is not durable yet, see Flush. After an error nothing of the batch may be taken
	// to be applied or not; applying it again is right. Calls for one shard do not overlap.
	Apply(ctx context.Context, b *Batch) ([]Result, error)

	// Applied returns what the last batch of a shard left: its position, which is 0 if
	// there was none, its time and its note.
	Applied(shard int) (position uint64, time int64, note []byte)

	// Flush makes everything durable that was applied before it.
	Flush(ctx context.Context) error
}

// Batch is the changes at one position of a shard's log.
type Batch struct {
	Shard    int
	Position uint64
	// Time is when the batch was logged, in ms since the epoch. It never decreases within a
	// shard. It is the time by which records expire.
	Time    int64
	Changes []Change
	// Sweep removes everything in the shard that has ended by Time. Readers do not see
	// that either way.
	Sweep bool
	// Note is stored with the position.
	Note []byte
}

// Change is one change. Exactly one field is set. A Trim is the only change of its batch.
type Change struct {
	Entry  *Entry
	Trim   *Trim
	Update *Update
}

// Trim removes the records of a channel up to and including a sequence, as Log.Trim does.
type Trim struct {
	Channel string
	Through uint64
}
