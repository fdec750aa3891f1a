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

// NodeState says what a node does. The texts are those of GET /v1/cluster.
type NodeState string

// The states of a node.
const (
	NodeReady       NodeState = "ready"
	NodeCatchingUp  NodeState = "catching_up" // it reads the log up to its end
	NodeSnapshot    NodeState = "snapshot"    // it fetches the store of another node
	NodeDraining    NodeState = "draining"
	NodeIsolated    NodeState = "isolated"    // it does not reach the log
	NodeUnreachable NodeState = "unreachable" // it has not announced itself for 3 s
	NodeStopped     NodeState = "stopped"     // it cannot apply the log
)
