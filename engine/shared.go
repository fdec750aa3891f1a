package engine

import (
	"context"
	"time"
)

// Shared is an optional interface of an Engine that the nodes of a cluster share: what one
// node stores, all others can read soon after.
type Shared interface {
	Engine

	// Node returns the name of this node.
	Node() string
	// Memory returns the engine of memory-only channels, which the nodes share as well.
	// It is closed with this engine. It does not store users.
	Memory() Engine
	// Bus returns the way to the other nodes.
	Bus() Bus
	// CatchUp waits until this node has applied what the log had of a channel, or of all
	// channels if it is "", when it was called. It goes through the log, so it fails while that is out of reach.
	CatchUp(ctx context.Context, channel string) error
	// WatchUsers sets the function that is called with the updates of users that became
	// visible, of each Save or several, in order. With own they were saved by this node.
	// Calls for the same user do not overlap. It must not block, and must not call the
	// engine.
	WatchUsers(f func(updates []Update, own bool))
	// WatchIsolation sets the function that is called with true when this node has not
	// reached the log for the time that the engine's options say, and with false when it
	// does so again. It must not block.
	WatchIsolation(f func(isolated bool))
	// SetConnections sets the function that counts the connections of this node, for
	// Cluster of all nodes. It must not block.
	SetConnections(f func() int)
	// SetDraining says whether this node is being shut down, for Cluster of all nodes.
	SetDraining(draining bool)
	// Cluster describes the cluster as this node knows it.
	Cluster() Cluster
	// Repair makes the log go on after the state of this node's replica, in every shard
	// that has stopped because the log lost batches, and returns these shards. It is for
	// the node that has most of them: what is in the log and not in this replica is given
	// up, and other replicas fetch a snapshot. It repairs all these shards or none. It
	// returns an error if another node has more of one, or a member does not respond. With
	// abandon such members do not count; and if no node has most of all shards, it gives
	// up what others have at the node where that is least.
	Repair(ctx context.Context, abandon bool) (shards []int, err error)
	// Forget removes a node that has left for good from the members of the cluster, so
	// that the log and new operations do not wait for it. It returns ErrUnknownNode if it
	// is not a member. The node is a member again when it is back.
	Forget(ctx context.Context, node string) error
	// Stats counts what this node does in the cluster, since it was opened.
	Stats() ClusterStats
}

// Bus carries messages between the nodes of a cluster that may be lost. All methods are
// safe for concurrent use.
type Bus interface {
	// Publish sends data to all subscriptions of a topic, those of this node included. The
	// messages of one node arrive in order, or not at all.
	Publish(ctx context.Context, topic string, data []byte) error
	// Request sends data to the subscriptions of a topic and returns the first response.
	// It waits for one until ctx is done. If it is known that nobody subscribed to the
	// topic, it returns ErrNoResponder at once.
	Request(ctx context.Context, topic string, data []byte) ([]byte, error)
	// Subscribe calls f with the messages on a topic, one at a time, until stop is called,
	// which waits for a call in progress. What f returns is the response to a Request, nil
	// is none. The data must not be kept.
	Subscribe(topic string, f func(data []byte) []byte) (stop func(), err error)
}

// MaxBusMessage is the largest message and response that a Bus carries, in bytes.
const MaxBusMessage = 512 << 10

// Cluster describes a cluster, as one of its nodes knows it.
type Cluster struct {
	Name    string
	Epoch   string
	Node    string         // the node that says this
	Leaders map[int]string // the node or server that leads each shard of the log, where that is known
	Nodes   []Node         // by name, this one included
}

// Node is the state of a node.
type Node struct {
	Name   string
	State  NodeState
	Reason string // why it is not ready
	// Positions are those that the node has applied in each shard.
	Positions   map[int]uint64
	Lag         time.Duration // how far it is behind the log
	Connections int
	Version     string // of the program
	URL         string // where clients and backends reach it
}

// ClusterStats are the counters of a node, for its metrics.
type ClusterStats struct {
	Shards    []ShardStats // by number, without that of memory-only channels
	InFlight  int          // batches that this node has proposed and not yet seen in the log
	Apply     Histogram    // time to apply a batch of the log to the replica
	Snapshots uint64       // snapshots taken for nodes that join
}

// ShardStats is how far a node is in a shard of the log.
type ShardStats struct {
	Position uint64
	Lag      time.Duration
}

// Histogram is a distribution of durations, in seconds.
type Histogram struct {
	Count   uint64
	Sum     float64
	Buckets map[float64]uint64 // number of durations up to an upper bound, by that bound
}

// NodeState says what a node does. The texts are those of GET /v1/cluster.
type NodeState string

// NodeStates are all states of a node.
var NodeStates = []NodeState{
	NodeReady, NodeCatchingUp, NodeSnapshot, NodeDraining, NodeIsolated, NodeUnreachable, NodeStopped,
}

// The states of a node.
const (
	NodeReady       NodeState = "ready"
	NodeCatchingUp  NodeState = "catching_up" // it reads the log up to its end
	NodeSnapshot    NodeState = "snapshot"    // it fetches the store of another node
	NodeDraining    NodeState = "draining"
	NodeIsolated    NodeState = "isolated"    // it does not reach the log
	NodeUnreachable NodeState = "unreachable" // it has not announced itself for 3 s
	NodeStopped     NodeState = "stopped"     // it cannot apply the log, or was just shut down
)
