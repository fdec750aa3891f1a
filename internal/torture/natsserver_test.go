//go:build unix

package torture

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buildNATS builds the NATS server of the module's version, with a clock of its own, once
// for all tests.
var buildNATS = sync.OnceValues(func() (binary string, err error) {
	return buildFaulty("nats-server", "github.com/nats-io/nats-server/v2")
})

// natsServer is a process of a NATS cluster.
type natsServer struct {
	t       testing.TB
	name    string
	config  string
	address string
	wires   []*wire        // to the other servers and from them
	machine func() machine // if the program is faulty
	cmd     *exec.Cmd
	log     bytes.Buffer
}

// newNATS makes a cluster of three servers, without starting them.
func newNATS(r *run) (all []*natsServer) {
	var listen, routes []string
	for i := range 3 {
		host := fmt.Sprintf("127.0.2.%d", i+1)
		listen, routes = append(listen, freeAddress(r.t, host)), append(routes, freeAddress(r.t, host))
		all = append(all, &natsServer{t: r.t, name: fmt.Sprintf("s%d", i+1), address: listen[i], machine: func() machine { return machine{clock: r.anyClock()} }})
	}
	for i, s := range all {
		var peers []string
		for k, other := range all {
			if k == i {
				continue
			}
			w := newWire(r.t, routes[k])
			s.wires, other.wires = append(s.wires, w), append(other.wires, w)
			peers = append(peers, "nats-route://"+w.address())
		}
		dir := r.t.TempDir()
		s.config = filepath.Join(dir, "nats.conf")
		text := fmt.Sprintf(`server_name: %s
listen: %s
max_payload: 4MB
jetstream { store_dir: %q, sync_interval: always }
cluster { name: torture, listen: %s, no_advertise: true, routes: [%s] }
`, s.name, listen[i], filepath.Join(dir, "store"), routes[i], strings.Join(peers, ", "))
		if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() {
			if s.cmd != nil {
				s.kill()
			}
		})
	}
	return all
}

func (s *natsServer) start() {
	s.t.Helper()
	binary, err := buildNATS()
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command(binary, "-c", s.config)
	s.cmd.Env = append(os.Environ(), s.machine().environment()...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *natsServer) kill() {
	s.cmd.Process.Kill() //nolint:errcheck // it may have exited
	s.cmd.Wait()         //nolint:errcheck // it was killed
	s.cmd = nil
}

// withNATS makes nodes that have their log in a NATS cluster, which they reach by wires.
func withNATS(r *run) *nodes {
	servers := newNATS(r)
	for _, s := range servers {
		s.start()
	}
	ns := newNodes(r, func(n *nodeProcess) []string {
		var urls []string
		for _, s := range servers {
			w := newWire(r.t, s.address)
			n.wires = append(n.wires, w)
			urls = append(urls, w.address())
		}
		return []string{"--cluster-log", "nats://" + strings.Join(urls, ",")}
	})
	ns.faults = append(ns.faults, natsFaults(ns, servers)...)
	return ns
}

// natsFaults are the faults of the servers of the log.
func natsFaults(ns *nodes, servers []*natsServer) []nodeFault {
	any := func() *natsServer { return servers[ns.random.IntN(len(servers))] }
	return []nodeFault{
		{"kill of a log server", 4, func(ns *nodes, name string) {
			s := any()
			ns.disturb(name, true, s.kill, s.start)
		}},
		{"kill of a log leader", 2, func(ns *nodes, name string) {
			s, leader := any(), ns.logLeader()
			for _, other := range servers {
				if other.name == leader {
					s = other
				}
			}
			ns.disturb(name, true, s.kill, s.start)
		}},
		{"kill of all log servers", 1, func(ns *nodes, name string) {
			ns.disturb(name, true, func() {
				for _, s := range servers {
					s.kill()
				}
			}, func() {
				for _, s := range servers {
					s.start()
				}
			})
		}},
		{"pause of a log server", 2, func(ns *nodes, name string) {
			p := any().cmd.Process
			ns.disturb(name, true, func() {
				p.Signal(syscall.SIGSTOP) //nolint:errcheck // it runs
				wait(ns.t.Context(), time.Duration(ns.random.IntN(8000))*time.Millisecond)
			}, func() { p.Signal(syscall.SIGCONT) }) //nolint:errcheck // it runs
		}},
		{"partition of a log server", 2, func(ns *nodes, name string) {
			s := any()
			how := ns.random.IntN(4)
			ns.disturb(name, true, func() {
				for _, w := range s.wires {
					switch how {
					case 0:
						w.cut()
					case 1:
						w.there.shut()
					case 2:
						w.back.shut()
					default:
						w.there.shut()
						w.back.shut()
					}
				}
				wait(ns.t.Context(), time.Duration(ns.random.IntN(8000))*time.Millisecond)
			}, func() {
				for _, w := range s.wires {
					w.heal()
				}
			})
		}},
	}
}

// TestNodesNATS runs against three nodes with their log in three NATS servers, if TORTURE
// is set.
func TestNodesNATS(t *testing.T) {
	if os.Getenv("TORTURE") == "" {
		t.Skip("only with TORTURE, see make torture")
	}
	needClusters(t)
	torture(t, 10*time.Second, func(r *run, length time.Duration) *report {
		r.faulty = true
		return tortureNodes(r, withNATS(r), length)
	})
}
