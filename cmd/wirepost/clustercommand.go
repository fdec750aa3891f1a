package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/wirepost/wirepost/engine/pebble"
	"github.com/wirepost/wirepost/httpapi"
)

// clusterCommand is `wirepost cluster`.
type clusterCommand struct {
	Init   clusterInitCommand   `cmd:"" help:"Make the store of a stopped server the first replica of a new cluster."`
	Status clusterStatusCommand `cmd:"" help:"Print the nodes of a running cluster."`
	Repair clusterRepairCommand `cmd:"" help:"Make a log that lost acknowledged batches go on after what a node has."`
	Forget clusterForgetCommand `cmd:"" help:"Remove a node that has left for good."`
}

// clusterInitCommand is `wirepost cluster init`.
type clusterInitCommand struct {
	Data          string      `default:"./wirepost-data" placeholder:"DIR" help:"Data directory of the stopped server (default ${default})."`
	ClusterName   clusterName `required:"" placeholder:"NAME" help:"Name of the new cluster."`
	ClusterNode   nodeName    `placeholder:"NAME" help:"Name of this node (default: generated)."`
	ClusterShards shardCount  `placeholder:"N" help:"Number of independent logs, which cannot be changed later (default: 4)."`
}

// Run makes a store a replica. What fails leaves the store as it was.
func (c *clusterInitCommand) Run(t *terminal) error {
	if _, err := os.Stat(c.Data); err != nil {
		return fmt.Errorf("cluster init: %w", err)
	}
	_, err := readIdentity(c.Data)
	isNew := errors.Is(err, fs.ErrNotExist)
	settings := clustering{ClusterName: c.ClusterName, ClusterNode: c.ClusterNode, ClusterShards: c.ClusterShards}
	id, lock, err := settings.claim(c.Data)
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // the process ends
	if err := pebble.InitReplica(c.Data, id.Shards, pebble.Options{Logger: slog.New(slog.NewTextHandler(t.Err, nil))}); err != nil {
		if isNew {
			os.Remove(filepath.Join(clusterDir(c.Data), identityName)) //nolint:errcheck // the first error counts
		}
		return err
	}
	fmt.Fprintf(t.Out, "%s is the first replica of the cluster %s: node %s, %d shards\n", c.Data, id.Cluster, id.Node, id.Shards)
	return nil
}

// clusterStatusCommand is `wirepost cluster status`.
type clusterStatusCommand struct {
	cluster
	APIKey string `name:"api-key" placeholder:"KEY" variable:"WIREPOST_API_KEY" help:"API key with the scope read; not needed in dev mode."`
	JSON   bool   `name:"json" help:"Print the response of the server."`
}

// Run prints a table of the nodes, as the first server knows them that responds.
func (c *clusterStatusCommand) Run(ctx context.Context, t *terminal) error {
	var body []byte
	var err error
	for i := range c.Server {
		body, err = callCluster(ctx, &c.Server[i], http.MethodGet, "", nil, keyFor(c.APIKey, httpapi.Read))
		if err == nil || isRefused(err) {
			break
		}
		if i < len(c.Server)-1 {
			t.warnf("%v; trying the next server", err)
		}
	}
	if err != nil {
		return fmt.Errorf("cluster status: %w", printableError(err))
	}
	if c.JSON {
		fmt.Fprintf(t.Out, "%s\n", body)
		return nil
	}
	return printNodes(t.Out, body)
}

// clusterRepairCommand is `wirepost cluster repair`.
type clusterRepairCommand struct {
	target
	APIKey  string `name:"api-key" placeholder:"KEY" variable:"WIREPOST_API_KEY" help:"API key with the scope admin; not needed in dev mode."`
	Abandon bool   `help:"Give up what only nodes have that are unreachable, and if no node has most of all shards, what only others have."`
}

// Run repairs the log from what the server has.
func (c *clusterRepairCommand) Run(ctx context.Context, t *terminal) error {
	query := url.Values{}
	if c.Abandon {
		query.Set("abandon", "true")
	}
	body, err := callCluster(ctx, &c.Server.serverURL, http.MethodPost, "/repair", query, keyFor(c.APIKey, httpapi.Admin))
	if err != nil {
		return fmt.Errorf("cluster repair: %w", printableError(err))
	}
	var done struct{ Shards []int }
	if err := json.Unmarshal(body, &done); err != nil {
		return fmt.Errorf("cluster repair: %w", err)
	}
	if len(done.Shards) == 0 {
		fmt.Fprintln(t.Out, "nothing to repair: no shard of this node has stopped because the log lost batches")
		return nil
	}
	fmt.Fprintf(t.Out, "the log goes on after what this node has, in the shards %v\n", done.Shards)
	return nil
}

// clusterForgetCommand is `wirepost cluster forget`.
type clusterForgetCommand struct {
	target
	Node   nodeName `arg:"" placeholder:"NODE" help:"Name of the node, which must be stopped."`
	APIKey string   `name:"api-key" placeholder:"KEY" variable:"WIREPOST_API_KEY" help:"API key with the scope admin; not needed in dev mode."`
}

// Run removes a node from the members.
func (c *clusterForgetCommand) Run(ctx context.Context, t *terminal) error {
	if _, err := callCluster(ctx, &c.Server.serverURL, http.MethodDelete, "/nodes/"+string(c.Node), nil, keyFor(c.APIKey, httpapi.Admin)); err != nil {
		return fmt.Errorf("cluster forget: %w", printableError(err))
	}
	fmt.Fprintf(t.Out, "the cluster does not wait for node %s any more\n", c.Node)
	return nil
}

// clusterTimeout limits a request to the API of a cluster. The server limits repairs to
// less.
const clusterTimeout = time.Minute

// callCluster makes a request below /v1/cluster.
func callCluster(ctx context.Context, s *serverURL, method, path string, query url.Values, key string) (body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	err = s.ask(ctx, method, "/v1/cluster"+path, query, key, func(r io.Reader) (err error) {
		body, err = io.ReadAll(io.LimitReader(r, 8<<20))
		return err
	})
	return body, err
}

func printNodes(out io.Writer, body []byte) error {
	var cluster struct {
		Name, Epoch string
		Nodes       []struct {
			Node, State, Reason, Version, URL string
			Lag                               int64 `json:"lag_ms"`
			Connections                       int
		}
	}
	if err := json.Unmarshal(body, &cluster); err != nil {
		return err
	}
	fmt.Fprintf(out, "cluster %s, epoch %s\n\n", printable(cluster.Name), printable(cluster.Epoch))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tSTATE\tLAG\tCONNECTIONS\tURL\tREASON")
	for _, n := range cluster.Nodes {
		fmt.Fprintf(table, "%s\t%s\t%d ms\t%d\t%s\t%s\n", printable(n.Node), printable(n.State), n.Lag, n.Connections, printable(n.URL), printable(n.Reason))
	}
	return table.Flush()
}
