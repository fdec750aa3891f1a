//go:build unix

package torture

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/pgtest"
)

// postgresPair is a PostgreSQL server whose commits wait for a standby.
type postgresPair struct {
	t                testing.TB
	primary, standby *pgtest.Server
	ports            [2]string // of the primary and of the standby
}

const standbyName = "standby"

func onPort(port string) []string {
	return []string{"listen_addresses=127.0.0.1", "port=" + port}
}

func newPostgres(r *run) *postgresPair {
	p := &postgresPair{t: r.t}
	for i := range p.ports {
		_, p.ports[i], _ = net.SplitHostPort(freeAddress(r.t, "127.0.0.1"))
	}
	var err error
	if p.primary, err = pgtest.Start(onPort(p.ports[0])...); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		for _, s := range []*pgtest.Server{p.standby, p.primary} {
			if s == nil {
				continue
			}
			if r.t.Failed() {
				r.t.Logf("the log of PostgreSQL ends with: %s", tail(s.Log(), 2000))
			}
			s.Close()
		}
	})
	p.addStandby()
	return p
}

func (p *postgresPair) check(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// addStandby makes a standby, which is synchronous from then on.
func (p *postgresPair) addStandby() {
	standby, err := p.primary.Standby(standbyName, onPort(p.ports[1])...)
	p.check(err)
	p.standby = standby
	p.check(p.primary.Await(standbyName))
}

// promote makes the standby the primary, and a new standby in the place of the primary,
// which was killed.
func (p *postgresPair) promote() {
	p.check(p.standby.Promote())
	p.primary.Close()
	p.primary, p.standby = p.standby, nil
	p.ports[0], p.ports[1] = p.ports[1], p.ports[0]
	p.addStandby()
}

// withPostgres makes nodes that have their log in PostgreSQL, which they reach by wires.
func withPostgres(r *run) *nodes {
	p := newPostgres(r)
	ports := p.ports
	ns := newNodes(r, func(n *nodeProcess) []string {
		var hosts []string
		for _, port := range ports {
			w := newWire(r.t, net.JoinHostPort("127.0.0.1", port))
			n.wires = append(n.wires, w)
			hosts = append(hosts, w.address())
		}
		return []string{"--cluster-log", "postgres://postgres@" + strings.Join(hosts, ",") + "/postgres?sslmode=disable"}
	})
	ns.faults = append(ns.faults, postgresFaults(p)...)
	return ns
}

// postgresFaults are the faults of the servers of the log.
func postgresFaults(p *postgresPair) []nodeFault {
	return []nodeFault{
		{"kill of the log server, and promotion of its standby", 4, func(ns *nodes, name string) {
			ns.disturb(name, true, p.primary.Kill, p.promote)
		}},
		{"kill of the log server", 2, func(ns *nodes, name string) {
			ns.disturb(name, true, p.primary.Kill, func() { p.check(p.primary.Start()) })
		}},
		{"kill of the standby of the log", 2, func(ns *nodes, name string) {
			ns.disturb(name, true, p.standby.Kill, func() { p.check(p.standby.Start()) })
		}},
		{"kill of all log servers", 1, func(ns *nodes, name string) {
			ns.disturb(name, true, func() {
				p.primary.Kill()
				p.standby.Kill()
			}, func() {
				p.check(p.primary.Start())
				p.check(p.standby.Start())
			})
		}},
		{"pause of a log server", 2, func(ns *nodes, name string) {
			s := []*pgtest.Server{p.primary, p.standby}[ns.random.IntN(2)]
			ns.disturb(name, true, func() {
				p.check(s.Signal(syscall.SIGSTOP))
				wait(ns.t.Context(), time.Duration(ns.random.IntN(8000))*time.Millisecond)
			}, func() { p.check(s.Signal(syscall.SIGCONT)) })
		}},
	}
}

// TestNodesPostgres runs against three nodes with their log in PostgreSQL, whose server is
// replaced by its standby, if TORTURE is set.
func TestNodesPostgres(t *testing.T) {
	if os.Getenv("TORTURE") == "" {
		t.Skip("only with TORTURE, see make torture")
	}
	needClusters(t)
	torture(t, 10*time.Second, func(r *run, length time.Duration) *report {
		r.faulty = true
		return tortureNodes(r, withPostgres(r), length)
	})
}
