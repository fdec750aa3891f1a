// Cells simulates many clusters ("cells") with more users than one machine can have: what
// happens to the clients, and what it costs the nodes, when nodes, zones or all connections
// are lost, or all nodes are restarted. The costs of single operations were measured
// (costs.go); networks, disks and the log are not simulated. docs/scale.md explains the
// results.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cells:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	a := assumed
	f := flag.NewFlagSet("cells", flag.ContinueOnError)
	seed := f.Uint64("seed", 1, "of all random choices")
	f.IntVar(&a.users, "users", a.users, "in all cells")
	f.Float64Var(&a.online, "online", a.online, "the part of the users who are connected")
	f.IntVar(&a.cells, "cells", a.cells, "clusters")
	f.IntVar(&a.nodes, "nodes", a.nodes, "nodes of a cell")
	f.IntVar(&a.cores, "cores", a.cores, "cores of a node")
	f.Float64Var(&a.perDay, "pushes", a.perDay, "messages to a user in a day")
	f.Float64Var(&a.peak, "peak", a.peak, "pushes in the peak hour, as a multiple of the mean")
	f.Float64Var(&a.keptDays, "kept", a.keptDays, "days for which messages are kept")
	f.DurationVar(&a.notice, "notice", a.notice, "how long the load balancer sends clients to a machine that was lost")
	f.Float64Var(&a.pace, "pace", a.pace, "clients per second that a node sends away in a deploy")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 || a.users < 1 || a.cells < 1 || a.nodes < 2 || a.nodes > 100 || a.cores < 1 || a.pace <= 0 || a.online < 0 || a.online > 1 {
		return fmt.Errorf("%q: the numbers must be above zero, the nodes of a cell at least 2", args)
	}
	if busy := a.steady(&measured, a.nodes-1); busy >= 1 {
		return fmt.Errorf("the pushes alone take %.0f %% of a node when one is lost", 100*busy)
	}
	c := measured
	printSteady(out, &a, &c)
	for i := range scenarios {
		s := &scenarios[i]
		sums, left, err := s.play(&a, &c, *seed)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n**%s.** Cells: %d. Clients of each node of a cell at the end: %v.\n\n", s.name, s.cells(&a), left)
		fmt.Fprintln(out, "| step | took | connections | half after | 99 % after | last after | failed attempts | handshake took at most | CPU s | busiest node | MB | messages |")
		fmt.Fprintln(out, "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
		for k, st := range s.steps(&a) {
			t := &sums[k]
			fmt.Fprintf(out, "| %s | %s | %d | %s | %s | %s | %d | %s | %.0f | %s | %.0f | %.0f |\n", st.name, seconds(t.took), t.moved,
				seconds(t.within(0.5)), seconds(t.within(0.99)), seconds(t.within(1)), t.failed, seconds(t.longest),
				t.cpu, percent(t.busiest), t.bytes/1e6, t.messages)
		}
	}
	return nil
}

// printSteady prints what a node does when nothing happens.
func printSteady(out io.Writer, a *assumptions, c *costs) {
	fmt.Fprintln(out, "| a node, with | all nodes of its cell | one node lost |")
	fmt.Fprintln(out, "|---|---:|---:|")
	row := func(name, format string, value func(up int) any) {
		fmt.Fprintf(out, "| %s | "+format+" | "+format+" |\n", name, value(a.nodes), value(a.nodes-1))
	}
	row("clients", "%d", func(up int) any { return a.sessions() / up })
	row("memory of their connections, MB", "%.0f", func(up int) any { return float64(a.sessions()/up) * float64(c.connection) / 1e6 })
	row("pushes per second that it receives, peak hour", "%.0f", func(up int) any { return a.pushRate() / float64(up) })
	row("pushes per second that it applies", "%.0f", func(int) any { return a.pushRate() })
	row("processor time for these", "%.1f %%", func(up int) any { return 100 * a.steady(c, up) })
	row("MB per second of the log to it", "%.1f", func(int) any { return a.pushRate() * float64(a.message) / 1e6 })
	row("store, GB", "%.0f", func(int) any { return float64(a.stored()) / 1e9 })
	led := a.pushRate() / float64(a.nodes) // pushes to the shards that a node leads
	fmt.Fprintf(out, "\nWhile the log elects leaders for those that were on a lost node, %.0f to %.0f pushes of the cell wait.\n",
		led*c.electionMin.Seconds(), led*c.electionMax.Seconds())
}

func seconds(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func percent(part float64) string {
	if part == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*part)
}
