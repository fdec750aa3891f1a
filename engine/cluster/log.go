// Package cluster is the engine of a node in a cluster: a replica of the store on each
// node, and one replicated log in front of all of them.
//
// What a node wants to change it proposes to the log, as a batch. Every node applies all
// batches of the log, in the same order, to its own replica, and answers what it proposed
// itself once it has applied it. So everything that was answered is in the log, and every
// node can read everything without asking another one.
//
// The log is divided into shards, of which each is ordered by itself. A channel belongs to
// the shard of its name, a user to that of the inbox.
//
// The way of a change: engine.go splits it by shard, propose.go puts it into a batch
// (batch.go) and proposes that until it is seen in the log, apply.go applies what the log
// says and completes the calls.
package cluster

import (
	"context"
	"errors"
	"hash/fnv"
	"iter"
)

// Log is one totally ordered, durable sequence of entries for each shard. All methods are
// safe for concurrent use.
//
// There is one more shard after those of the store, for memory-only channels. It need not be
// durable, and keeps only its last entries, as many as the log chooses. Its positions begin
// with MemoryStart, and do so again when its entries were lost.
type Log interface {
	// Propose appends an entry to a shard, and returns when it is durable. After an error
	// the entry may be in the log or not, now or later.
	Propose(ctx context.Context, shard int, data []byte) error
	// Follow yields every entry of a shard after a position, and then waits for further
	// ones, until ctx is done. An error is the last thing that it yields: ErrTrimmed if
	// entries after the position are gone.
	Follow(ctx context.Context, shard int, after uint64) iter.Seq2[Entry, error]
	// Trim removes the entries of a shard up to and including a position. The log does not
	// end elsewhere then: if there is no such position yet, it removes all entries.
	Trim(ctx context.Context, shard int, through uint64) error
	// Bounds returns the positions of the first and the last entry of a shard. In an empty
	// log first is last+1.
	Bounds(ctx context.Context, shard int) (first, last uint64, err error)
	// Restart removes all entries of a shard, and lets the next one have the position after
	// a position which is not before the last entry. It is for a log that has lost entries;
	// nothing is proposed meanwhile.
	Restart(ctx context.Context, shard int, after uint64) error
}

// Leaders is an optional interface of a Log that knows which node or server leads a shard.
type Leaders interface {
	// Leaders returns the leader of each shard that has one. It does not wait.
	Leaders() map[int]string
}

// Entry is one entry of a log. Positions of a shard have no holes and begin with 1, see Log
// for the shard in memory.
type Entry struct {
	Position uint64
	Time     int64 // when it was logged, in ms since the epoch; not necessarily increasing
	Data     []byte
}

// ErrTrimmed says that a log does not reach back to a position.
var ErrTrimmed = errors.New("the log does not reach back that far")

// ShardOf returns the shard of a channel. It must not change: stores and logs are divided
// by it.
func ShardOf(channel string, shards int) int {
	h := fnv.New64a()
	h.Write([]byte(channel)) //nolint:errcheck // it cannot fail
	return int(h.Sum64() % uint64(shards))
}
