//go:build unix

package torture

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nodes is a cluster of processes of the real program.
type nodes struct {
	*run
	all    []*nodeProcess
	faults []nodeFault
}

// nodeFault is a fault of a cluster of processes, with its relative frequency.
type nodeFault struct {
	name   string
	weight int
	do     func(ns *nodes, name string)
}

// nodeProcess is one of them.
type nodeProcess struct {
	*process
	front
	wires   []*wire // to the other nodes and from them, or to the log
	machine machine // if the program is faulty, from the next start on
	up      bool
}

// newNodes makes the processes, without starting them, with more flags for the log.
func newNodes(r *run, log func(*nodeProcess) []string) *nodes {
	r.t.Helper()
	ns := &nodes{run: r, faults: slices.Clone(nodeFaults)}
	if ns.faulty {
		ns.faults = append(ns.faults, machineFaults...)
	}
	r.t.Cleanup(func() {
		if r.t.Failed() {
			ns.keepLogs()
		}
	})
	for _, name := range []string{"a", "b", "c"} {
		n := &nodeProcess{process: newProcess(r.t), front: front{name, newProxy(r.t, r.random.Uint64())}}
		n.expected = expectedErrors
		if ns.faulty {
			var err error
			if n.binary, err = buildFaultyNode(); err != nil {
				r.t.Fatal(err)
			}
		}
		n.more = append([]string{"--cluster-name", "torture", "--cluster-node", name, "--drain", nodeDrain.String()}, log(n)...)
		ns.all = append(ns.all, n)
		r.t.Cleanup(func() {
			if n.up {
				n.process.cmd.Process.Signal(syscall.SIGCONT) //nolint:errcheck // it may have exited
			}
		})
	}
	return ns
}

// nodeDrain is how long a node may take to drain: it saves the cursors of its clients, and the
// log may have to elect a leader first.
const nodeDrain = electionLimit + 3*time.Second

// withEmbedded makes nodes with an embedded log. They listen on addresses of their own, and
// reach each other only by the wires: NATS tells its servers the port of others with the
// address from which it was reached, 127.0.0.1, where nobody listens.
func withEmbedded(r *run) *nodes {
	var listen []string
	ns := newNodes(r, func(*nodeProcess) []string {
		listen = append(listen, freeAddress(r.t, fmt.Sprintf("127.0.1.%d", len(listen)+1)))
		return []string{"--cluster-listen", listen[len(listen)-1]}
	})
	for i, n := range ns.all {
		peers := []string{listen[i]}
		for k, other := range ns.all {
			if k == i {
				continue
			}
			w := newWire(r.t, listen[k])
			n.wires, other.wires = append(n.wires, w), append(other.wires, w)
			peers = append(peers, w.address())
		}
		n.more = append(n.more, "--cluster-peers", strings.Join(peers, ","))
	}
	ns.faults = append(ns.faults, embeddedFaults...)
	return ns
}

// expectedErrors are those of nodes that are cut off from the log.
var expectedErrors = regexp.MustCompile(`nats: |PostgreSQL|does not reach the log`)

func (ns *nodes) fronts() (all []*front) {
	for _, n := range ns.all {
		all = append(all, &n.front)
	}
	return all
}

// clocksApart is the most by which the clocks of two nodes differ.
const clocksApart = time.Hour

func (r *run) anyClock() time.Duration {
	return time.Duration(r.random.Int64N(int64(clocksApart))) - clocksApart/2
}

// launch starts a node. It may not be ready yet.
func (ns *nodes) launch(n *nodeProcess) {
	if ns.faulty {
		n.machine.clock = ns.anyClock()
		n.env = n.machine.environment()
	}
	n.front.proxy.turn(n.start())
	n.up = true
}

// stop kills a node, or drains it.
func (n *nodeProcess) stop(kill bool) {
	n.up = false
	if kill {
		n.kill()
	} else {
		n.drain()
	}
	n.front.proxy.turn("")
}

// readyLimit is how long the nodes of a cluster may take to become ready: the log may have
// to elect leaders, and a node may have to fetch a snapshot.
const readyLimit = 2 * time.Minute

// awaitReady waits until all nodes that are up are ready.
func (ns *nodes) awaitReady() {
	ns.t.Helper()
	hc := &http.Client{Transport: &http.Transport{}}
	defer hc.CloseIdleConnections()
	for give := time.Now().Add(readyLimit); ; wait(ns.t.Context(), 20*time.Millisecond) {
		missing := ""
		for _, n := range ns.all {
			if n.up && !n.ready(ns.t.Context(), hc) {
				missing = n.front.name
			}
		}
		if missing == "" {
			return
		}
		if time.Now().After(give) {
			for _, n := range ns.all {
				ns.t.Logf("the log of node %s ends with: %s", n.front.name, tail(n.errors.String(), 2000))
			}
			ns.t.Fatalf("node %s does not become ready", missing)
		}
	}
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }

// electionLimit is how long a log of servers may take until it works again after a
// disturbance: its servers may have to elect leaders, and notice that only after seconds.
const electionLimit = 12 * time.Second

// needClusters skips a test if the program is built without clusters.
func needClusters(t *testing.T) {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	if help, err := exec.Command(binary, "serve", "--help").Output(); err != nil || !bytes.Contains(help, []byte("--cluster-name")) {
		t.Skip("the program is built without clusters")
	}
}

// TestNodes runs against three processes of the real program with an embedded log.
func TestNodes(t *testing.T) {
	needClusters(t)
	torture(t, 10*time.Second, func(r *run, length time.Duration) *report {
		r.faulty = os.Getenv("TORTURE") != ""
		return tortureNodes(r, withEmbedded(r), length)
	})
}

// nodesLongest is longest for nodes, which take long to start.
const nodesLongest = time.Minute

func tortureNodes(r *run, ns *nodes, length time.Duration) *report {
	if total, err := time.ParseDuration(os.Getenv("TORTURE")); err == nil {
		length = min(total, nodesLongest)
	}
	ns.startAll()
	return runCluster(r, ns.fronts(), plan{length: length, fault: func(*run) { ns.fault() }})
}

// startAll starts all nodes and waits until they are ready.
func (ns *nodes) startAll() {
	ns.limits = clusterLimitsOf()
	ns.limits.live = max(ns.limits.live, electionLimit)
	for _, n := range ns.all {
		ns.launch(n)
	}
	ns.awaitReady()
}

// keepLogs writes the history and the logs of the nodes to a directory that remains.
func (ns *nodes) keepLogs() {
	dir, err := os.MkdirTemp("", "torture")
	if err != nil {
		ns.t.Error(err)
		return
	}
	for _, n := range ns.all {
		if err := os.WriteFile(filepath.Join(dir, n.front.name+".log"), []byte(n.errors.String()), 0o600); err != nil {
			ns.t.Error(err)
		}
	}
	var history strings.Builder
	for i, e := range ns.h.snapshot() {
		fmt.Fprintln(&history, i, e.when, e)
	}
	if err := os.WriteFile(filepath.Join(dir, "history"), []byte(history.String()), 0o600); err != nil {
		ns.t.Error(err)
	}
	ns.t.Log("the history and the logs of the nodes are in ", dir)
}
