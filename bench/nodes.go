package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// The peers of the scenarios on clusters: one node, and three with an embedded log, or with
// one in PostgreSQL.
const (
	oneNode      = "wirepost-serve"
	threeNodes   = "wirepost-cluster"
	onPostgreSQL = "wirepost-postgres"
)

// nodes are the servers of a turn, one or several that form a cluster.
type nodes []*target

// launchNodes starts a peer and waits until all its nodes are ready.
func launchNodes(s *settings, name string) (ns nodes, err error) {
	defer func() {
		if err != nil {
			ns.stop()
		}
	}()
	flags := [][]string{nil}
	var log *postgresLog
	switch name {
	case threeNodes:
		flags, err = clusterFlags(3)
	case onPostgreSQL:
		if log, err = startPostgres(); err == nil {
			flags = log.flags(3)
		}
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if len(ns) == 0 {
			log.stop()
		}
	}()
	for _, more := range flags {
		cmd, err := serveCommand("pebble")
		if err != nil {
			return ns, err
		}
		cmd.Args = append(cmd.Args, more...)
		t, err := start(s, name, cmd, users)
		if err != nil {
			return ns, err
		}
		ns = append(ns, t)
		ns[0].log = log
	}
	for _, t := range ns {
		if err := t.awaitReady(); err != nil {
			return ns, err
		}
	}
	return ns, nil
}

// clusterFlags returns the flags of the nodes of a cluster on loopback.
func clusterFlags(n int) (flags [][]string, err error) {
	path, err := binary()
	if err != nil {
		return nil, err
	}
	if help, err := exec.Command(path, "serve", "--help").Output(); err != nil || !bytes.Contains(help, []byte("--cluster-name")) {
		return nil, fmt.Errorf("%s is %w: the program is built without clusters", threeNodes, errSkip)
	}
	var peers []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		peers = append(peers, l.Addr().String())
	}
	for i, listen := range peers {
		flags = append(flags, []string{
			"--cluster-name", "bench", "--cluster-node", string(rune('a' + i)), "--cluster-listen", listen,
			"--cluster-peers", strings.Join(peers, ","),
		})
	}
	return flags, nil
}

// awaitReady waits until a node is ready.
func (t *target) awaitReady() error {
	for give := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		response, err := http.Get("http://" + t.Address.String() + "/readyz")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(response.Status)
		}
		if time.Now().After(give) {
			return fmt.Errorf("it does not become ready: %w; it logged %q", err, t.Stderr())
		}
	}
}

func (ns nodes) stop() {
	for _, t := range ns {
		t.stop()
		defer t.log.stop()
	}
}

// cpu is the processor time of all nodes and servers of their log, and that of the last
// node.
func (ns nodes) cpu() (all, last time.Duration, err error) {
	for _, t := range ns {
		if last, err = t.CPU(); err != nil {
			return 0, 0, err
		}
		log, err := t.log.cpu()
		if err != nil {
			return 0, 0, err
		}
		all += last + log
	}
	return all, last, nil
}
