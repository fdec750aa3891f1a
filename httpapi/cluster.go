package httpapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/httpapi/internal/parse"
)

// clusterResponse is the body of a response to GET /v1/cluster.
type clusterResponse struct {
	Name   string         `json:"name"`
	Epoch  string         `json:"epoch"`
	Node   string         `json:"node"`
	Leader map[int]string `json:"leader"`
	Nodes  []clusterNode  `json:"nodes"`
}

type clusterNode struct {
	Node        string         `json:"node"`
	State       string         `json:"state"`
	Reason      string         `json:"reason,omitempty"`
	Positions   map[int]uint64 `json:"positions"`
	LagMs       int64          `json:"lag_ms"`
	Connections int            `json:"connections"`
	Version     string         `json:"version"`
	URL         string         `json:"url"`
}

// cluster is GET /v1/cluster.
func (a *api) cluster(w http.ResponseWriter, _ *request) error {
	c, ok := a.srv.Cluster()
	if !ok {
		return errNoCluster
	}
	response := clusterResponse{Name: c.Name, Epoch: c.Epoch, Node: c.Node, Leader: c.Leaders, Nodes: []clusterNode{}}
	if response.Leader == nil {
		response.Leader = map[int]string{}
	}
	for _, n := range c.Nodes {
		if n.Positions == nil {
			n.Positions = map[int]uint64{}
		}
		response.Nodes = append(response.Nodes, clusterNode{
			Node: n.Name, State: string(n.State), Reason: n.Reason, Positions: n.Positions, LagMs: n.Lag.Milliseconds(),
			Connections: n.Connections, Version: n.Version, URL: n.URL,
		})
	}
	return writeJSON(w, http.StatusOK, response)
}

var errNoCluster = &wirepost.Error{Code: wirepost.CodeNotFound, Message: "this server is a single node, not part of a cluster"}

// operateLimit limits the time of a change to the cluster itself. It is less than the time
// for which a client waits for a response, and less than stallTime.
const operateLimit = 50 * time.Second

// repaired is the body of a response to POST /v1/cluster/repair.
type repaired struct {
	Shards []int `json:"shards"`
}

// repair is POST /v1/cluster/repair.
func (a *api) repair(w http.ResponseWriter, r *request) error {
	abandon := r.query.Get("abandon")
	if abandon != "" && abandon != "true" && abandon != "false" {
		return parse.BadRequest("abandon", "it must be true or false")
	}
	ctx, cancel := context.WithTimeout(r.Context(), operateLimit)
	defer cancel()
	shards, err := a.srv.RepairCluster(ctx, abandon == "true")
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, repaired{append([]int{}, shards...)})
}

// forget is DELETE /v1/cluster/nodes/{node}.
func (a *api) forget(w http.ResponseWriter, r *request) error {
	ctx, cancel := context.WithTimeout(r.Context(), operateLimit)
	defer cancel()
	if err := a.srv.ForgetNode(ctx, r.node); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// nodeStates are the states of a node as /readyz says them, without the reason, which
// may name internals.
var nodeStates = map[engine.NodeState]string{
	engine.NodeCatchingUp: "it is catching up with the log of the cluster",
	engine.NodeSnapshot:   "it fetches a snapshot from another node",
	engine.NodeDraining:   "it is being shut down",
	engine.NodeIsolated:   "it does not reach the log of the cluster",
	engine.NodeStopped:    "it cannot apply the log of the cluster",
}

// nodeReady returns why this node of a cluster is not ready, or nil.
func (a *api) nodeReady() error {
	c, ok := a.srv.Cluster()
	if !ok {
		return nil
	}
	for _, n := range c.Nodes {
		if n.Name != c.Node || n.State == engine.NodeReady {
			continue
		}
		message := fmt.Sprintf("node %s is not ready: %s", n.Name, nodeStates[n.State])
		var at []string
		for _, shard := range slices.Sorted(maps.Keys(n.Positions)) {
			at = append(at, fmt.Sprintf("%d: %d", shard, n.Positions[shard]))
		}
		if len(at) > 0 {
			message += fmt.Sprintf(" (positions %s)", strings.Join(at, ", "))
		}
		return &wirepost.Error{Code: wirepost.CodeUnavailable, Message: message, RetryAfter: time.Second}
	}
	return nil
}
