// Package replog is the contract of a replicated log, which package cluster exports.
package replog

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Log is one totally ordered, durable sequence of entries for each shard. All methods are
// safe for concurrent use.
//
// There is one more shard after those of the store, for memory-only channels. It need not be
// durable, and keeps only its last entries, as many as the log chooses. Its positions begin
// with cluster.MemoryStart, and do so again when its entries were lost.
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

// Eventual is an optional interface of a Log whose Bounds may be out of date.
type Eventual interface {
	// Outdated returns for how long Bounds may end before entries that other nodes have
	// applied, because a leader that is cut off from the others does not know yet that they
	// have elected another one.
	Outdated() time.Duration
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

// Timeout limits one request to a log.
const Timeout = 5 * time.Second
