package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/wirepost/wirepost/cmd/wirepost/report"
)

// Bench are the parameters of all benchmarks.
type Bench struct {
	Target Target
	// Nodes are the other nodes of a cluster: connections and publishers are spread over all.
	Nodes []*url.URL
	PID   int // of the server, if there is one; 0: it is found, if it is on this machine
	// Progress is called with how far the work is, some times a second; nil: it is not.
	Progress func(format string, args ...any)
}

// run is one run of a benchmark.
type run struct {
	*Bench
	id      string    // in the names of users and channels, so that runs don't meet
	nodes   []*Target // the target and the other nodes
	clock   clock
	monitor monitors
	report  *report.Report
}

// node is the server of connection or publisher i.
func (r *run) node(i int) *Target { return r.nodes[i%len(r.nodes)] }

// begin reads the server's usage before the load starts.
func (b *Bench) begin(ctx context.Context, name string) (*run, error) {
	if b.Progress == nil {
		b.Progress = func(string, ...any) {}
	}
	nodes := []*Target{&b.Target}
	for _, u := range b.Nodes {
		nodes = append(nodes, &Target{URL: u, APIKey: b.Target.APIKey, Token: b.Target.Token})
	}
	var m monitors
	var urls []string
	for _, t := range nodes {
		one, err := newMonitor(ctx, t, b.PID)
		if err != nil {
			return nil, err
		}
		m, urls = append(m, one), append(urls, t.URL.Redacted())
	}
	started := time.Now()
	r := &run{
		Bench: b, id: "bench-" + strings.ToLower(rand.Text()[:8]), nodes: nodes, clock: clock{started}, monitor: m,
		report: &report.Report{
			Format: report.Format, Benchmark: name, Started: started, Go: runtime.Version(), Machine: machine(),
			Server:   report.Server{URL: strings.Join(urls, ","), Go: m.read(ctx).goVersion, Source: m.source()},
			Failures: []string{}, Notes: []string{}, Plots: []report.Plot{},
		},
	}
	if m.source() == "" {
		r.note("the server's CPU and memory are not known: give --api-key, or --pid if it runs on this machine")
	}
	return r, nil
}

// finish completes the report.
func (r *run) finish(ctx context.Context) *report.Report {
	r.report.Seconds = r.clock.now().Seconds()
	r.report.Interrupted = ctx.Err() != nil
	return r.report
}

func (r *run) user(i int) string { return fmt.Sprintf("%s-%d", r.id, i) }

func (r *run) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

func (r *run) failed(err error) {
	if err != nil && !errors.Is(err, errStopped) {
		r.report.Failures = append(r.report.Failures, err.Error())
	}
}

func (r *run) add(name, label string, value float64, unit string) {
	r.report.Results = append(r.report.Results, report.Measure{Name: name, Label: label, Value: value, Unit: unit})
}

// addTimes adds percentiles with this name and label.
func (r *run) addTimes(name, label string, h *histogram) {
	if h.count == 0 {
		return
	}
	for _, q := range []struct {
		name string
		part float64
	}{{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}} {
		r.add(name+"_"+q.name+"_ms", label+" "+q.name, milliseconds(h.quantile(q.part)), "ms")
	}
	r.add(name+"_max_ms", label+" max", milliseconds(h.max), "ms")
}

// span is the state at one moment of a measured part of a run.
type span struct {
	at     time.Duration
	self   time.Duration
	server usage
}

// measure takes a span. It completes even if ctx is done.
func (r *run) measure(ctx context.Context) span {
	server := r.monitor.read(context.WithoutCancel(ctx))
	return span{r.clock.now(), selfCPU(), server}
}

// glance is measure for the plots.
func (r *run) glance(ctx context.Context) span {
	server := r.monitor.glance(context.WithoutCancel(ctx))
	return span{r.clock.now(), selfCPU(), server}
}

// seconds from s to the end.
func (s span) seconds(end span) float64 { return (end.at - s.at).Seconds() }

// serverCPU is the server's CPU time from s to the end.
func (s span) serverCPU(end span) (seconds float64, known bool) {
	return end.server.cpu - s.server.cpu, s.server.cpu >= 0 && end.server.cpu >= 0
}

func (s span) selfCPU(end span) float64 { return (end.self - s.self).Seconds() }

// addCPU adds the CPU time of a span, in total and per each of n operations.
func (r *run) addCPU(from, to span, n float64, thing string) {
	const micro = 1e6
	if cpu, ok := from.serverCPU(to); ok {
		r.add("server_cpu_percent", "server CPU", 100*cpu/from.seconds(to), "% of a core")
		if n > 0 {
			r.add("server_cpu_us_per_"+thing, "server CPU per "+thing, micro*cpu/n, "µs")
		}
	}
	self := from.selfCPU(to)
	r.add("client_cpu_percent", "client CPU", 100*self/from.seconds(to), "% of a core")
	if n > 0 {
		r.add("client_cpu_us_per_"+thing, "client CPU per "+thing, micro*self/n, "µs")
	}
}

// addCounts adds the counts of faulty deliveries. Any of them fails the run.
func (r *run) addCounts(c counts, expected uint64) {
	missing := expected - min(c.delivered+c.spoilt, expected)
	r.add("missing", "missing", float64(missing), "")
	r.add("gaps", "overtaken", float64(c.gaps), "")
	r.add("repeats", "repeated or late", float64(c.repeats), "")
	r.add("spoilt", "spoilt", float64(c.spoilt), "")
	if missing+c.gaps+c.repeats+c.spoilt > 0 {
		r.failed(fmt.Errorf("of %d deliveries %d are missing, %d were overtaken, %d repeated or late, %d spoilt",
			expected, missing, c.gaps, c.repeats, c.spoilt))
	}
	if c.foreign > 0 {
		r.note("%d messages that are not of this run came in between: somebody else uses the server", c.foreign)
	}
}

// checkRoom reports before the run what the limits of this machine and of the servers
// do not allow.
func (r *run) checkRoom(ctx context.Context, connections, asked int) error {
	at, err := r.Target.address(ctx)
	if err != nil {
		return err
	}
	if err := checkLimits(connections, sources(at.Addr(), asked, connections)); err != nil {
		return err
	}
	for i, m := range r.monitor {
		u, share := m.read(ctx), (connections+len(r.nodes)-1-i)/len(r.nodes)
		if free := u.maxFiles - u.files; u.maxFiles > 0 && float64(share) > free {
			return fmt.Errorf("%d connections are too many: the server %s may have %.0f files open and has %.0f; raise its limit (ulimit -n)",
				share, m.target.URL.Redacted(), u.maxFiles, u.files)
		}
	}
	return nil
}
