package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
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
	did     []string // what it was asked to do
	err     error    // that it returns
}

func (c *clustered) RepairCluster(_ context.Context, abandon bool) ([]int, error) {
	c.did = append(c.did, fmt.Sprint("repair ", abandon))
	return []int{1, 3}, c.err
}

func (c *clustered) ForgetNode(_ context.Context, node string) error {
	c.did = append(c.did, "forget "+node)
	return c.err
}

func (c *clustered) Metrics() wirepost.Metrics {
	m := c.Server.Metrics()
	m.Cluster = &wirepost.ClusterMetrics{
		ClusterStats: engine.ClusterStats{
			Shards: []engine.ShardStats{{Position: 812}, {Position: 7, Lag: 1500 * time.Millisecond}}, InFlight: 2, Snapshots: 3,
			Apply: engine.Histogram{Count: 5, Sum: 0.5, Buckets: map[float64]uint64{0.1: 4}},
		},
		Members: map[engine.NodeState]int{engine.NodeReady: 2, engine.NodeUnreachable: 1},
	}
	return m
}

func (c *clustered) Cluster() (engine.Cluster, bool) { return c.cluster, true }

func TestCluster(t *testing.T) {
	t.Parallel()
	single := newSite(t)
	single.do("GET", "/v1/cluster", "").problem(404, "")

	srv := newServer(t)
	node := &clustered{Server: srv, cluster: engine.Cluster{
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
	metrics := string(s.do("GET", "/metrics", "").is(200).body)
	for _, line := range []string{
		`wirepost_cluster_lag_seconds{shard="0"} 0`, `wirepost_cluster_lag_seconds{shard="1"} 1.5`,
		`wirepost_cluster_position{shard="0"} 812`, `wirepost_cluster_position{shard="1"} 7`,
		"wirepost_cluster_proposals_in_flight 2", "wirepost_cluster_apply_seconds_count 5", `wirepost_cluster_apply_seconds_bucket{le="0.1"} 4`,
		"wirepost_cluster_snapshots_total 3", `wirepost_cluster_members{state="ready"} 2`, `wirepost_cluster_members{state="unreachable"} 1`,
	} {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("no %q in the metrics", line)
		}
	}
	if text := string(single.do("GET", "/metrics", "").is(200).body); strings.Contains(text, "wirepost_cluster") {
		t.Error("a single node has metrics of a cluster")
	}

	// A node that is not ready says why, without the reason, which may name internals.
	node.cluster.Nodes[0].State, node.cluster.Nodes[0].Reason = engine.NodeCatchingUp, "/var/lib"
	r := s.do("GET", "/readyz", "").is(503)
	if text := string(r.body); !strings.Contains(text, "node a is not ready: it is catching up with the log of the cluster (positions 0: 812)") || strings.Contains(text, "/var") {
		t.Error(text)
	}
}

// TestOperateCluster: what an operator does to a cluster needs a key with the scope admin.
func TestOperateCluster(t *testing.T) {
	t.Parallel()
	single := newSite(t)
	single.do("POST", "/v1/cluster/repair", "").problem(404, "")
	single.do("DELETE", "/v1/cluster/nodes/c", "").problem(404, "")

	srv := newServer(t)
	node := &clustered{Server: srv}
	s := serveHandler(t, newHandler(node, Options{
		Keys: []string{testKey, "push+read:other-key-0123456789"}, Logger: slog.New(slog.DiscardHandler),
	}), srv)
	const weak = "Authorization: Bearer other-key-0123456789"
	s.do("POST", "/v1/cluster/repair", "", weak).problem(403, "")
	s.do("DELETE", "/v1/cluster/nodes/c", "", weak).problem(403, "")
	s.do("POST", "/v1/cluster/repair?abandon=1", "").problem(400, "abandon")
	s.do("POST", "/v1/cluster/repair?force=true", "").problem(400, "force")
	if len(node.did) > 0 {
		t.Errorf("did %q", node.did)
	}
	if got := string(s.do("POST", "/v1/cluster/repair", "").is(200).body); got != `{"shards":[1,3]}`+"\n" {
		t.Error(got)
	}
	s.do("POST", "/v1/cluster/repair?abandon=true", "").is(200)
	s.do("DELETE", "/v1/cluster/nodes/c%2Fd", "").is(204)
	if want := []string{"repair false", "repair true", "forget c/d"}; !slices.Equal(node.did, want) {
		t.Errorf("did %q", node.did)
	}
	node.err = &wirepost.Error{Code: wirepost.CodeBadRequest, Status: 409, Message: "node c has more"}
	if p := s.do("POST", "/v1/cluster/repair", "").problem(409, ""); p.Detail != "node c has more" {
		t.Errorf("%+v", p)
	}
}
