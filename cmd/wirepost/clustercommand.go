package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/wirepost/wirepost/engine/pebble"
	"github.com/wirepost/wirepost/httpapi"
)

// clusterCommand is `wirepost cluster`.
type clusterCommand struct {
	Init   clusterInitCommand   `cmd:"" help:"Make the store of a stopped server the first replica of a new cluster."`
	Status clusterStatusCommand `cmd:"" help:"Print the nodes of a running cluster."`
}

// clusterInitCommand is `wirepost cluster init`.
type clusterInitCommand struct {
	Data          string      `default:"./wirepost-data" placeholder:"DIR" help:"Data directory of the stopped server (default ${default})."`
	ClusterName   clusterName `required:"" placeholder:"NAME" help:"Name of the new cluster."`
	ClusterNode   nodeName    `placeholder:"NAME" help:"Name of this node (default: generated)."`
	ClusterShards shardCount  `default:"0" placeholder:"N" help:"Number of independent logs, which cannot be changed later (default: 4)."`
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
	target
	APIKey string `name:"api-key" placeholder:"KEY" variable:"WIREPOST_API_KEY" help:"API key with the scope read; not needed in dev mode."`
	JSON   bool   `name:"json" help:"Print the response of the server."`
}

// Run prints a table of the nodes.
func (c *clusterStatusCommand) Run(t *terminal) error {
	r, err := http.NewRequest(http.MethodGet, c.Server.String()+"/v1/cluster", nil)
	if err != nil {
		return err
	}
	if c.APIKey != "" {
		r.Header.Set("Authorization", "Bearer "+keyFor(c.APIKey, httpapi.Read))
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return printableError(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		var problem struct{ Detail string }
		json.Unmarshal(body, &problem) //nolint:errcheck // then there is no detail
		return fmt.Errorf("%s: %s", response.Status, printable(problem.Detail))
	}
	if c.JSON {
		fmt.Fprintf(t.Out, "%s\n", body)
		return nil
	}
	return printNodes(t.Out, body)
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
