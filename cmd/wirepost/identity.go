package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// identity is what a data directory knows about the node that it belongs to. It is in
// the file identityName of clusterDir.
type identity struct {
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	Shards  int    `json:"shards"`
	// Joined says that the node has been part of the cluster. Then it does not found it
	// again, even if its store and the log are empty: other nodes may have data.
	Joined bool `json:"joined,omitempty"`
}

const identityName = "node.json"

// clusterDir returns the directory for what a node keeps besides its replica.
func clusterDir(data string) string { return filepath.Join(data, "cluster") }

// claim locks the data directory of a node and returns its identity, which it makes at
// the first start. The lock is released by closing it, or when the process ends.
func (c *clustering) claim(data string) (id identity, lock io.Closer, err error) {
	dir := clusterDir(data)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return id, nil, err
	}
	if lock, err = vfs.Default.Lock(filepath.Join(dir, "LOCK")); err != nil {
		return id, nil, fmt.Errorf("%s is in use by another process (%w)", data, err)
	}
	defer func() {
		if err != nil {
			lock.Close() //nolint:errcheck // the first error counts
		}
	}()
	id, err = readIdentity(data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		id = identity{Cluster: string(c.ClusterName), Node: string(c.ClusterNode), Shards: c.ClusterShards.or()}
		if id.Node == "" {
			id.Node = newNodeName()
		}
		err = id.write(data)
	case err == nil:
		err = c.matches(id, data)
	}
	return id, lock, err
}

// checkIdentity returns an error if a data directory belongs to another node.
func (c *clustering) checkIdentity(data string) error {
	id, err := readIdentity(data)
	switch {
	case errors.Is(err, fs.ErrNotExist) || !c.clustered():
		return nil
	case err != nil:
		return err
	}
	return c.matches(id, data)
}

// matches compares the settings with the identity of a data directory.
func (c *clustering) matches(id identity, data string) error {
	switch {
	case id.Cluster != string(c.ClusterName):
		return usagef("--cluster-name %s: %s belongs to a node of the cluster %s", c.ClusterName, data, id.Cluster)
	case c.ClusterNode != "" && id.Node != string(c.ClusterNode):
		return usagef("--cluster-node %s: %s belongs to the node %s", c.ClusterNode, data, id.Node)
	case c.ClusterShards != 0 && id.Shards != int(c.ClusterShards):
		return usagef("--cluster-shards %d: this cluster has %d, which cannot be changed", c.ClusterShards, id.Shards)
	}
	return nil
}

func readIdentity(data string) (id identity, err error) {
	name := filepath.Join(clusterDir(data), identityName)
	text, err := os.ReadFile(name)
	if err != nil {
		return id, err
	}
	if err := json.Unmarshal(text, &id); err != nil || id.Cluster == "" || id.Node == "" || id.Shards < 1 {
		return id, fmt.Errorf("%s is damaged: it names the cluster, node and shards, such as {\"cluster\":\"prod\",\"node\":\"a\",\"shards\":4}", name)
	}
	return id, nil
}

// write stores an identity durably.
func (id identity) write(data string) error {
	text, err := json.Marshal(id)
	if err != nil {
		return err
	}
	name := filepath.Join(clusterDir(data), identityName)
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// newNodeName returns a name that no other node has: that of the machine and some random
// digits.
func newNodeName() string {
	host, _ := os.Hostname()
	host = strings.Map(func(r rune) rune {
		if !plainName.MatchString(string(r)) {
			return '-'
		}
		return r
	}, strings.ToLower(host))
	var digits [3]byte
	rand.Read(digits[:]) //nolint:errcheck // it never fails
	return strings.TrimLeft(host[:min(len(host), 24)]+"-", "-") + hex.EncodeToString(digits[:])
}
