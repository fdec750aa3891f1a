//go:build unix

package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// nodes is a cluster of processes of the real program.
type nodes struct {
	*run
	all    []*nodeProcess
	faults []nodeFault
	counts map[string]int
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
	wires []*wire // to the other nodes and from them, or to the log
	up    bool
}

// newNodes makes the processes, without starting them, with more flags for the log.
func newNodes(r *run, log func(*nodeProcess) []string) *nodes {
	r.t.Helper()
	ns := &nodes{run: r, faults: slices.Clone(nodeFaults), counts: make(map[string]int)}
	for _, name := range []string{"a", "b", "c"} {
		n := &nodeProcess{process: newProcess(r.t), front: front{name, newProxy(r.t, r.random.Uint64())}}
		n.expected = expectedErrors
		n.more = append([]string{"--cluster-name", "torture", "--cluster-node", name}, log(n)...)
		ns.all = append(ns.all, n)
		r.t.Cleanup(func() {
			if n.up {
				n.process.cmd.Process.Signal(syscall.SIGCONT) //nolint:errcheck // it may have exited
			}
		})
	}
	return ns
}

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
	ns.faults = append(ns.faults, nodeFault{"partition of two", 1, func(ns *nodes, name string) {
		n := ns.any()
		ns.disturb(name, false, n.wires[0].cut, n.wires[0].heal)
	}})
	return ns
}

// expectedErrors are those of nodes that are cut off from the log.
var expectedErrors = regexp.MustCompile(`nats: |does not reach the log`)

// freeAddress returns an address with a port that is not used now, below those that are
// given to outgoing connections.
func freeAddress(t testing.TB, host string) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, 20_000+rand.IntN(10_000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

func (ns *nodes) fronts() (all []*front) {
	for _, n := range ns.all {
		all = append(all, &n.front)
	}
	return all
}

// run starts a node. It may not be ready yet.
func (n *nodeProcess) run() {
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

// disturb does something to the nodes and undoes it. With restarts it is over when all
// nodes are ready.
func (ns *nodes) disturb(name string, restarts bool, do, undo func()) {
	ns.counts[name]++
	ns.h.add(event{kind: disturbed, id: name})
	do()
	ns.progress()
	undo()
	if restarts {
		ns.awaitReady()
	}
	ns.h.add(event{kind: healed, id: name})
	ns.breathe()
}

// breathe mostly waits until all nodes are live again after a disturbance, or should be.
func (ns *nodes) breathe() {
	if ns.random.IntN(4) == 0 {
		return // the next disturbance comes at once
	}
	for give := time.Now().Add(ns.limits.live + time.Second); time.Now().Before(give); wait(ns.t.Context(), 50*time.Millisecond) {
		if all := disturbances(ns.h.snapshot()); all[len(all)-1].to != never {
			return
		}
	}
}

func (ns *nodes) any() *nodeProcess { return ns.all[ns.random.IntN(len(ns.all))] }

// restart stops nodes, and starts them again after a while. Between these it calls more.
func (ns *nodes) restart(name string, kill bool, more func(*nodeProcess), which ...*nodeProcess) {
	ns.disturb(name, true, func() {
		var stopping sync.WaitGroup
		for _, n := range which {
			stopping.Go(func() { n.stop(kill) })
		}
		stopping.Wait()
		for _, n := range which {
			more(n)
		}
	}, func() {
		for _, n := range which {
			n.run()
		}
	})
}

func untouched(*nodeProcess) {}

// empty removes everything that a node has stored.
func (ns *nodes) empty(n *nodeProcess) {
	if err := os.RemoveAll(n.data()); err != nil {
		ns.t.Error(err)
	}
}

// signal stops a node for a while, as a machine that hangs.
func (n *nodeProcess) signal(s syscall.Signal) {
	if err := n.cmd.Process.Signal(s); err != nil {
		n.t.Error(err)
	}
}

// partition interrupts all wires of a node in some way.
func (ns *nodes) partition(name string, how func(*wire)) {
	n := ns.any()
	ns.disturb(name, false, func() {
		for _, w := range n.wires {
			how(w)
		}
		if ns.random.IntN(2) == 0 { // long enough for another leader
			wait(ns.t.Context(), time.Duration(ns.random.IntN(8000))*time.Millisecond)
		}
	}, func() {
		for _, w := range n.wires {
			w.heal()
		}
	})
}

// nodeFaults are the faults of nodes with any log.
var nodeFaults = []nodeFault{
	{"kill", 4, func(ns *nodes, name string) { ns.restart(name, true, untouched, ns.any()) }},
	{"kill of two", 1, func(ns *nodes, name string) {
		ns.restart(name, true, untouched, ns.all[ns.random.IntN(2)], ns.all[2])
	}},
	{"kill of all", 1, func(ns *nodes, name string) { ns.restart(name, true, untouched, ns.all...) }},
	{"rolling restart", 1, func(ns *nodes, name string) {
		for _, n := range ns.all {
			ns.restart(name, false, untouched, n)
		}
	}},
	{"empty directory", 1, func(ns *nodes, name string) { ns.restart(name, true, ns.empty, ns.any()) }},
	{"pause", 2, func(ns *nodes, name string) {
		n := ns.any()
		ns.disturb(name, false, func() {
			n.signal(syscall.SIGSTOP)
			wait(ns.t.Context(), time.Duration(ns.random.IntN(6000))*time.Millisecond)
		}, func() { n.signal(syscall.SIGCONT) })
	}},
	{"slow", 1, func(ns *nodes, name string) {
		n := ns.any()
		ns.disturb(name, false, func() {
			for range 40 {
				n.signal(syscall.SIGSTOP)
				wait(ns.t.Context(), 40*time.Millisecond)
				n.signal(syscall.SIGCONT)
				wait(ns.t.Context(), 10*time.Millisecond)
			}
		}, func() {})
	}},
	{"partition", 2, func(ns *nodes, name string) { ns.partition(name, (*wire).cut) }},
	{"silent partition", 2, func(ns *nodes, name string) {
		ns.partition(name, func(w *wire) { w.there.shut(); w.back.shut() })
	}},
	{"partition of one direction", 2, func(ns *nodes, name string) {
		there := ns.random.IntN(2) == 0
		ns.partition(name, func(w *wire) {
			if there {
				w.there.shut()
			} else {
				w.back.shut()
			}
		})
	}},
	{"connections cut", 1, func(ns *nodes, name string) {
		ns.counts[name]++
		ns.proxy.cutAll()
	}},
}

func (ns *nodes) fault() {
	sum := 0
	for _, f := range ns.faults {
		sum += f.weight
	}
	n := ns.random.IntN(sum)
	for _, f := range ns.faults {
		if n -= f.weight; n < 0 {
			f.do(ns, f.name)
			return
		}
	}
}

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
	torture(t, 10*time.Second, func(r *run, length time.Duration) *report { return tortureNodes(r, withEmbedded(r), length) })
}

func tortureNodes(r *run, ns *nodes, length time.Duration) *report {
	r.limits = clusterLimitsOf()
	r.limits.live = max(r.limits.live, electionLimit)
	for _, n := range ns.all {
		n.run()
	}
	ns.awaitReady()
	return runCluster(r, ns.fronts(), length, ns.fault, func() {
		r.t.Log(ns.counts)
		r.t.Log("live again after at most ", revivals(r.h.snapshot()), "; ", timeline(r.h.snapshot()))
		if r.t.Failed() {
			ns.keepLogs()
		}
	})
}

// keepLogs writes the logs of the nodes to a directory that remains.
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
	ns.t.Log("the logs of the nodes are in ", dir)
}
