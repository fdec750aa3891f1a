package httpapi

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
)

// clustered is a server that is a node.
type clustered struct {
	*wirepost.Server
	cluster engine.Cluster
}

func (c *clustered) Cluster() (engine.Cluster, bool) { return c.cluster, true }

func TestCluster(t *testing.T) {
	t.Parallel()
	single := newSite(t)
	single.do("GET", "/v1/cluster", "").problem(404, "")

	srv := newServer(t)
	node := &clustered{srv, engine.Cluster{
		Name: "prod", Epoch: "e1", Node: "a", Leaders: map[int]string{0: "b"},
		Nodes: []engine.Node{
			{Name: "a", State: engine.NodeReady, Positions: map[int]uint64{0: 812}, Connections: 3, Version: "v1", URL: "http://a"},
			{Name: "b", State: engine.NodeUnreachable, Reason: "silent", Lag: 1500 * time.Millisecond},
		},
	}}
	s := serveHandler(t, newHandler(node, Options{Keys: []string{testKey}, Logger: slog.New(slog.DiscardHandler)}), srv)
	var got clusterResponse
	s.do("GET", "/v1/cluster", "").is(200).into(&got)
	want := clusterResponse{
		Name: "prod", Epoch: "e1", Node: "a", Leader: map[int]string{0: "b"},
		Nodes: []clusterNode{
			{Node: "a", State: "ready", Positions: map[int]uint64{0: 812}, Connections: 3, Version: "v1", URL: "http://a"},
			{Node: "b", State: "unreachable", Reason: "silent", Positions: map[int]uint64{}, LagMs: 1500},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	s.do("GET", "/readyz", "").is(200)

	// A node that is not ready says why, without the reason, which may name internals.
	node.cluster.Nodes[0].State, node.cluster.Nodes[0].Reason = engine.NodeCatchingUp, "/var/lib"
	r := s.do("GET", "/readyz", "").is(503)
	if text := string(r.body); !strings.Contains(text, "node a is not ready: it is catching up with the log of the cluster (positions 0: 812)") || strings.Contains(text, "/var") {
		t.Error(text)
	}
}
