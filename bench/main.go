// Bench compares Wirepost with similar servers: each server in its own process, with
// the same client for all, one after the other in rounds. Linux only.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/bench/peer"
)

func main() {
	err := run(os.Args[1:], os.Stdout)
	removeBinary()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 2 && args[0] == "-serve" {
		return peer.Run(args[1])
	}
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.settings.dir, 0o755); err != nil {
		return err
	}
	warnOfMemoryDisk(o.settings.dir)
	runs := scenarios
	if !o.all {
		s, err := find(o.scenario)
		if err != nil {
			return err
		}
		runs = []scenario{s}
	}
	rep := &report{Machine: machine()}
	for _, p := range runs {
		s := o.settings
		p.complete(&s)
		t, err := measure(&p, &s)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		rep.Tables = append(rep.Tables, t)
		fmt.Fprintf(out, "%s\n", t.markdown())
		if err := rep.save(o.json, o.md); err != nil {
			return err
		}
	}
	return nil
}

type options struct {
	settings
	all      bool
	scenario string
	json, md string
}

func parseOptions(args []string) (*options, error) {
	o := &options{}
	o.profiles = &profiling{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	names := make([]string, len(scenarios))
	for i := range scenarios {
		names[i] = scenarios[i].name
	}
	f.StringVar(&o.scenario, "scenario", "fanout", "one of "+strings.Join(names, ", "))
	f.BoolVar(&o.all, "all", false, "run every scenario, as docs/performance.md shows them")
	f.StringVar(&o.json, "json", "", "write all numbers to this `file`")
	f.StringVar(&o.md, "md", "", "put the tables into this Markdown `file`, between the marks of an earlier one if it has them")
	f.StringVar(&o.dir, "dir", os.TempDir(), "`directory` for stores, on a real disk")
	f.StringVar(&givenBinary, "wirepost", "", "the wirepost command to measure, a `file` (default: built from this module)")
	f.StringVar(&o.profiles.dir, "profile", "", "put pprof profiles of the Go peers into this `directory`; the numbers are worth less then")
	f.IntVar(&o.rounds, "rounds", 0, "how often every peer has its turn (default: the scenario's)")
	f.DurationVar(&o.turn, "turn", 0, "how long one measurement takes (default: the scenario's)")
	f.IntVar(&o.size, "size", 0, "bytes of a message (default: the scenario's)")
	f.IntVar(&o.messages, "messages", 0, "messages in slow, pushes in channels (default: the scenario's)")
	f.IntVar(&o.rate, "rate", 0, "pushes per second in latency (default: the scenario's)")
	f.IntVar(&o.storm, "storm", 0, "handshakes per second in latency, in a second measurement (default: none)")
	peers := f.String("peers", "", "servers, comma-separated, the floor first (default: the scenario's)")
	sessions := f.String("sessions", "", "connections; a list for scale (default: the scenario's)")
	inFlight := f.String("inflight", "", "messages or pushes under way, a list (default: the scenario's)")
	channels := f.String("channels", "", "known channels, a list (default: the scenario's)")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("%q: no arguments are expected", f.Args())
	}
	if *peers != "" {
		o.peers = strings.Split(*peers, ",")
	}
	for list, to := range map[*string]*[]int{sessions: &o.sessions, inFlight: &o.inFlight, channels: &o.channels} {
		if err := parseInts(*list, to); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func parseInts(list string, to *[]int) error {
	if list == "" {
		return nil
	}
	for word := range strings.SplitSeq(list, ",") {
		var n int
		if _, err := fmt.Sscan(word, &n); err != nil || n <= 0 {
			return fmt.Errorf("%q is not a number above zero", word)
		}
		*to = append(*to, n)
	}
	return nil
}

func find(name string) (scenario, error) {
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
	if i < 0 {
		return scenario{}, fmt.Errorf("%q is not a scenario", name)
	}
	return scenarios[i], nil
}
