//go:build unix

package torture

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

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
			stopping.Go(func() { ns.stop(n, kill) })
		}
		stopping.Wait()
		for _, n := range which {
			more(n)
		}
	}, func() {
		for _, n := range which {
			ns.launch(n)
		}
	})
}

// stop stops a node.
func (ns *nodes) stop(n *nodeProcess, kill bool) {
	if !kill {
		n.stop(false)
		return
	}
	ns.h.add(event{kind: crash})
	n.stop(true)
	ns.h.add(event{kind: crash})
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
	{"damaged directory", 1, (*nodes).damaged},
	{"connections cut", 1, func(ns *nodes, name string) {
		ns.counts[name]++
		ns.proxy.cutAll()
	}},
}

// machineFaults are those of nodes that have a disk of their own.
var machineFaults = []nodeFault{
	{"slow disk", 1, func(ns *nodes, name string) {
		n := ns.any()
		n.machine.disk = time.Duration(1+ns.random.IntN(20)) * time.Millisecond
		ns.restart(name, true, untouched, n)
		ns.progress()
		n.machine.disk = 0
		ns.restart(name, true, untouched, n)
	}},
}

// embeddedFaults are those of nodes with an embedded log.
var embeddedFaults = []nodeFault{
	{"partition of two", 1, func(ns *nodes, name string) {
		n := ns.any()
		ns.disturb(name, false, n.wires[0].cut, n.wires[0].heal)
	}},
	{"kill of a log leader", 2, func(ns *nodes, name string) { ns.restart(name, true, untouched, ns.leader()) }},
}

// leader returns a node that leads a shard of an embedded log, or any node.
func (ns *nodes) leader() *nodeProcess {
	name := ns.logLeader()
	for _, n := range ns.all {
		if n.front.name == name {
			return n
		}
	}
	return ns.any()
}

// logLeader returns the name of a server that leads a shard of the log, "" if no node
// knows one.
func (ns *nodes) logLeader() string {
	hc := &http.Client{Timeout: time.Second}
	defer hc.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ns.t.Context(), http.MethodGet, ns.url("http")+"/v1/cluster", nil)
	if err != nil {
		return ""
	}
	request.Header.Set("Authorization", "Bearer "+apiKey)
	response, err := hc.Do(request)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	var cluster struct{ Leader map[string]string }
	if json.NewDecoder(response.Body).Decode(&cluster) != nil || len(cluster.Leader) == 0 {
		return ""
	}
	names := slices.Sorted(maps.Values(cluster.Leader))
	return names[ns.random.IntN(len(names))]
}

// starts is how often a node with a damaged directory is started again when it stops with
// a reason, as its supervisor would do.
const starts = 3

// saysDamaged matches what a node logs that has found its directory damaged.
var saysDamaged = regexp.MustCompile(`(?i)damage|corrupt|checksum|snapshot|wirepost check`)

// damaged damages a file of a node that is stopped. The node starts with what it has or
// with a snapshot, or stops and says why. After that it starts with an empty directory, so
// that no damage is left which is found only later.
func (ns *nodes) damaged(name string) {
	n := ns.any()
	n.expected = regexp.MustCompile(expectedErrors.String() + "|" + saysDamaged.String())
	ns.disturb(name, true, func() {
		ns.stop(n, true)
		what := damage(ns.run, n.data(), true)
		outcome := ns.supervise(n, what)
		ns.t.Logf("%s: %s", what, outcome)
		ns.counts["damaged: "+outcome]++
		ns.progress()
		ns.stop(n, true)
		ns.empty(n)
	}, func() { ns.launch(n) })
}

// supervise starts a node until it is ready, or has stopped too often.
func (ns *nodes) supervise(n *nodeProcess, what string) (outcome string) {
	hc := &http.Client{Transport: &http.Transport{}}
	defer hc.CloseIdleConnections()
	outcome = "started"
	for range starts {
		logged := len(n.errors.String())
		ns.launch(n)
		for give := time.Now().Add(readyLimit); !n.ready(ns.t.Context(), hc); wait(ns.t.Context(), 20*time.Millisecond) {
			if n.over() {
				break
			}
			if time.Now().After(give) {
				ns.fail("%s: node %s neither becomes ready nor stops: %s", what, n.front.name, tail(n.errors.String(), 2000))
				return "stuck"
			}
		}
		said := n.errors.String()[logged:]
		if strings.Contains(said, "a snapshot is installed") {
			outcome = "snapshot"
		}
		if !n.over() {
			return outcome
		}
		if !saysDamaged.MatchString(said) {
			ns.fail("%s: node %s stopped without a reason: %s", what, n.front.name, tail(said, 2000))
		}
		outcome = "stopped, then started"
	}
	return "stopped"
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
