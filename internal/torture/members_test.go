package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/pebble"
)

// members is a cluster in this process, over a log in memory that loses and repeats
// proposals and responses.
type members struct {
	*run
	log *logtest.Memory
	bus logtest.Bus
	all []*member
}

// member is one of its nodes.
type member struct {
	*inProcess
	front
	lines
	up bool
}

const memberShards = 2

func newMembers(r *run) *members {
	ms := &members{run: r, log: logtest.NewMemory(memberShards)}
	ms.log.Fault = ms.lose(rand.New(rand.NewPCG(r.random.Uint64(), 7)))
	for _, name := range []string{"a", "b", "c"} {
		m := &member{front: front{name, newProxy(r.t, r.random.Uint64())}}
		m.Log, m.Bus = ms.log, &ms.bus
		m.inProcess = &inProcess{t: r.t, random: rand.New(rand.NewPCG(r.random.Uint64(), 0)), proxy: m.front.proxy}
		m.inProcess.open = func(o pebble.Options) (engine.Engine, error) { return ms.open(m, o) }
		ms.all = append(ms.all, m)
		r.t.Cleanup(func() {
			m.heal()
			if m.up {
				m.end(0)
			}
		})
	}
	ms.log.Now = func() time.Time { return ms.all[time.Now().UnixMilli()/500%3].clock.Now() }
	return ms
}

// lose makes some proposals fail, of which some are in the log nevertheless, once or twice.
func (ms *members) lose(random *rand.Rand) func(int, []byte) (bool, bool, error) {
	var mu sync.Mutex
	fault := errors.New("a connection to the log was closed")
	return func(int, []byte) (lose, again bool, err error) {
		mu.Lock()
		defer mu.Unlock()
		switch random.IntN(100) {
		case 0:
			return true, false, fault
		case 1:
			return false, false, fault
		case 2:
			return false, true, fault
		case 3:
			return false, true, nil
		}
		return false, false, nil
	}
}

// open opens the engine of a node. The node's Now is not used: its replica has the time of
// the log.
func (ms *members) open(m *member, o pebble.Options) (engine.Engine, error) {
	replica, err := pebble.OpenReplica("store", memberShards, func(channel string) int { return cluster.ShardOf(channel, memberShards) }, o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ms.t.Context(), patience)
	defer cancel()
	e, err := cluster.Open(ctx, cluster.Options{
		Name: "torture", Node: m.front.name, Log: &m.lines, Bus: &m.lines, Replica: replica, Shards: memberShards, Logger: quiet,
		Patience: 3 * time.Second, TickEvery: 200 * time.Millisecond, FlushEvery: 500 * time.Millisecond,
	})
	if err != nil {
		return nil, errors.Join(err, replica.Close())
	}
	return e, nil
}

func (ms *members) fronts() (all []*front) {
	for _, m := range ms.all {
		all = append(all, &m.front)
	}
	return all
}

func (m *member) run() {
	m.front.proxy.turn(m.start())
	m.up = true
}

// stop cuts the power of a node, or drains it.
func (m *member) stop(kill bool) {
	m.up = false
	if kill {
		// What the node still flushes is not on the disk that it starts with again, so it must
		// not report it.
		m.ask.shut()
		m.kill()
		m.ask.reopen()
		return
	}
	m.drain()
	m.front.proxy.turn("")
}

// awaitReady waits until all nodes are ready.
func (ms *members) awaitReady() {
	ms.t.Helper()
	for give := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		var missing error
		for _, m := range ms.all {
			if err := m.server.Ready(); m.up && err != nil {
				missing = fmt.Errorf("node %s: %w", m.front.name, err)
			}
		}
		if missing == nil {
			return
		}
		if time.Now().After(give) {
			ms.t.Fatal(missing)
		}
	}
}

// disturb does something to the nodes and undoes it: all are ready then, or should be soon.
func (ms *members) disturb(name string, do, undo func()) {
	ms.counts[name]++
	ms.h.add(event{kind: disturbed, id: name})
	do()
	ms.progress()
	undo()
	ms.h.add(event{kind: healed, id: name})
}

func (ms *members) any() *member { return ms.all[ms.random.IntN(len(ms.all))] }

// restart stops nodes, and starts them again after a while.
func (ms *members) restart(name string, kill bool, which ...*member) {
	stop := func() {
		var stopping sync.WaitGroup
		for _, m := range which {
			if kill {
				ms.powerCut(m)
				continue
			}
			stopping.Go(func() { m.stop(false) })
		}
		stopping.Wait()
	}
	ms.disturb(name, stop, func() {
		for _, m := range which {
			m.run()
		}
		ms.awaitReady()
	})
}

func (ms *members) powerCut(m *member) {
	ms.h.add(event{kind: crash})
	m.stop(true)
	ms.h.add(event{kind: crash})
}

// clusterFaults are the faults of members.
var clusterFaults = []struct {
	name string
	do   func(ms *members, name string)
}{
	{"power cut", func(ms *members, name string) { ms.restart(name, true, ms.any()) }},
	{"power cut", func(ms *members, name string) { ms.restart(name, true, ms.any()) }},
	{"drain", func(ms *members, name string) { ms.restart(name, false, ms.any()) }},
	{"rolling restart", func(ms *members, name string) {
		for _, m := range ms.all {
			ms.restart(name, false, m)
		}
	}},
	{"power cut of two", func(ms *members, name string) {
		ms.restart(name, true, ms.all[ms.random.IntN(2)], ms.all[2])
	}},
	{"power cut of all", func(ms *members, name string) { ms.restart(name, true, ms.all...) }},
	{"partition", func(ms *members, name string) {
		m := ms.any()
		ms.disturb(name, func() {
			for _, g := range []*gate{&m.ask, &m.answer, &m.entries, &m.bus} {
				g.shut()
			}
		}, m.heal)
	}},
	{"partition of one direction", func(ms *members, name string) {
		m := ms.any()
		g := []*gate{&m.ask, &m.answer, &m.entries, &m.bus}[ms.random.IntN(4)]
		ms.disturb(name, g.shut, m.heal)
	}},
	{"power cut in a partition", func(ms *members, name string) {
		m := ms.any()
		ms.disturb(name, func() { m.answer.shut(); m.entries.shut(); ms.progress(); ms.powerCut(m) }, func() { m.heal(); m.run(); ms.awaitReady() })
	}},
	{"no leader of the log", func(ms *members, name string) {
		ms.disturb(name, func() {
			for _, m := range ms.all {
				m.ask.shut()
			}
		}, func() {
			for _, m := range ms.all {
				m.heal()
			}
		})
	}},
	{"disk full", func(ms *members, name string) {
		m := ms.any()
		ms.disturb(name, func() { m.free(1 << 20) }, func() { m.free(1 << 30) })
	}},
	{"slow disk", func(ms *members, name string) {
		m := ms.any()
		ms.disturb(name, func() { m.faults.latency.Store(int64(5 * time.Millisecond)) }, func() { m.faults.latency.Store(0) })
	}},
	{"clocks apart", func(ms *members, name string) {
		ms.counts[name]++
		ms.any().clock.jump(time.Duration(ms.random.Int64N(int64(2*time.Hour))) - time.Hour)
	}},
	{"connections cut", func(ms *members, name string) {
		ms.counts[name]++
		ms.proxy.cutAll()
	}},
}

// TestCluster runs against three nodes in this process.
func TestCluster(t *testing.T) { torture(t, 5*time.Second, tortureCluster) }

func tortureCluster(r *run, length time.Duration) *report {
	r.limits = clusterLimitsOf()
	ms := newMembers(r)
	for _, m := range ms.all {
		m.disk = vfs.NewCrashableMem()
		m.free(1 << 30)
		m.run()
	}
	ms.awaitReady()
	fault := func(*run) {
		f := clusterFaults[ms.random.IntN(len(clusterFaults))]
		f.do(ms, f.name)
	}
	return runCluster(r, ms.fronts(), plan{length: length, fault: fault})
}

// clusterLimitsOf returns the limits of a run. Those of a short run do not depend on how
// busy the machine is.
func clusterLimitsOf() *limits {
	if os.Getenv("TORTURE") == "" {
		return &limits{save: 10 * time.Second, live: 2 * time.Minute}
	}
	return &limits{save: time.Second, live: 2 * time.Second}
}

// runCluster runs a plan whose clients reach the nodes through a load balancer.
func runCluster(r *run, fronts []*front, p plan) *report {
	w := &watched{run: r, fronts: fronts}
	ctx, cancel := context.WithCancel(r.t.Context())
	var balancing sync.WaitGroup
	defer func() { cancel(); balancing.Wait() }()
	balancing.Go(func() { balance(ctx, r.proxy, fronts) })
	if err := w.prepare(ctx); err != nil {
		r.t.Fatal(err)
	}
	p.calm, p.work, p.last = w.calm, w.work, w.last
	found := r.do(p)
	found.tally = r.tally()
	r.t.Log(found.tally)
	return found
}
