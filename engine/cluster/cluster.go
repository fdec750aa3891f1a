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
// The way of a change: the methods in change.go divide it by shard; internal/propose takes
// what has queued as one batch (internal/batch) and proposes that to the log until it is
// seen there; internal/apply applies what the log says to the replica, which calls the
// watchers, and completes the calls that are in the batch.
package cluster

import (
	"hash/fnv"
	"strings"

	"github.com/wirepost/wirepost/engine/cluster/internal/nodes"
	"github.com/wirepost/wirepost/engine/cluster/internal/note"
	"github.com/wirepost/wirepost/engine/cluster/internal/replog"
	"github.com/wirepost/wirepost/engine/cluster/internal/snapshot"
)

// Log is one totally ordered, durable sequence of entries for each shard.
type Log = replog.Log

// Leaders is an optional interface of a Log that knows which node or server leads a shard.
type Leaders = replog.Leaders

// Eventual is an optional interface of a Log whose Bounds may be out of date.
type Eventual = replog.Eventual

// Entry is one entry of a log.
type Entry = replog.Entry

// ErrTrimmed says that a log does not reach back to a position.
var ErrTrimmed = replog.ErrTrimmed

// ErrForked says that a replica and the log, or two replicas, do not have the same history.
// As with ErrTrimmed, the replica needs a snapshot.
var ErrForked = note.ErrForked

// ErrForeign says that a log, a replica and the settings do not belong to the same cluster.
var ErrForeign = note.ErrForeign

// ErrNameTaken says that another node has the same name.
var ErrNameTaken = nodes.ErrNameTaken

// Progress is how far a node has come that fetches a snapshot.
type Progress = snapshot.Progress

// DefaultSnapshotRate is how many bytes a second a node sends of its snapshot.
const DefaultSnapshotRate = snapshot.DefaultRate

// ShardOf returns the shard of a channel. It must not change: stores and logs are divided
// by it. The channels of the server itself, whose names begin with $, are in one shard, so
// that their entries of one Append are applied together.
func ShardOf(channel string, shards int) int {
	if strings.HasPrefix(channel, "$") {
		channel = "$"
	}
	h := fnv.New64a()
	h.Write([]byte(channel)) //nolint:errcheck // it cannot fail
	return int(h.Sum64() % uint64(shards))
}
