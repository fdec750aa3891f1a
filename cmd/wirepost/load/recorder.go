package load

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost/cmd/wirepost/report"
)

// A recorder samples a run, for the plots and the progress. Plots are added before
// start; stop adds them to the report.
type recorder struct {
	run    *run
	plots  []report.Plot
	probes []probe

	// Owned by the goroutine between start and stop.
	first, last span

	quit chan struct{}
	done sync.WaitGroup
}

// probe returns the values of a plot's lines for the time between two samples.
type probe func(from, to span) []float64

// newRecorder returns a recorder without plots.
func (r *run) newRecorder() *recorder {
	return &recorder{run: r, quit: make(chan struct{})}
}

// plot adds a plot over time.
func (rec *recorder) plot(name, title, unit string, p probe, lines ...string) {
	plot := report.Plot{Name: name, Title: title, Unit: unit, X: "s", At: report.Values{}}
	for _, line := range lines {
		plot.Lines = append(plot.Lines, report.Line{Name: line, Values: report.Values{}})
	}
	rec.plots = append(rec.plots, plot)
	rec.probes = append(rec.probes, p)
}

// plotRate adds a plot of a counter's rate.
func (rec *recorder) plotRate(name, title string, count func() uint64) {
	before := count()
	rec.plot(name, title, "1/s", func(from, to span) []float64 {
		now := count()
		defer func() { before = now }()
		return []float64{float64(now-before) / from.seconds(to)}
	}, name)
}

// plotTimes adds a plot of the percentiles per interval.
func (rec *recorder) plotTimes(name, title string, cut func() *histogram) {
	rec.plot(name, title, "ms", func(span, span) []float64 {
		h := cut()
		if h.count == 0 {
			return []float64{math.NaN(), math.NaN(), math.NaN()}
		}
		return []float64{milliseconds(h.quantile(0.5)), milliseconds(h.quantile(0.99)), milliseconds(h.max)}
	}, "p50", "p99", "max")
}

// plotUsage adds CPU and memory.
func (rec *recorder) plotUsage() {
	rec.plot("cpu", "CPU", "% of a core", func(from, to span) []float64 {
		server, known := from.serverCPU(to)
		if !known {
			server = math.NaN()
		}
		seconds := from.seconds(to)
		return []float64{100 * server / seconds, 100 * from.selfCPU(to) / seconds}
	}, "server", "client")
	mib := func(bytes float64) float64 {
		if bytes < 0 {
			return math.NaN()
		}
		return bytes / (1 << 20)
	}
	rec.plot("memory", "Memory of the server", "MiB", func(_, to span) []float64 {
		return []float64{mib(to.server.rss), mib(to.server.heap), mib(to.server.stack)}
	}, "resident", "heap in use", "stacks in use")
}

// start takes samples until stop.
func (rec *recorder) start(ctx context.Context, duration time.Duration, progress func() string) {
	rec.first = rec.run.measure(ctx)
	rec.last = rec.run.glance(ctx)
	rec.done.Go(func() {
		tick := time.NewTicker(rec.run.monitor.interval(duration))
		defer tick.Stop()
		for {
			select {
			case <-rec.quit:
				return
			case <-tick.C:
				rec.take(rec.run.glance(ctx))
				rec.run.Progress("%s", progress())
			}
		}
	})
}

func (rec *recorder) take(now span) {
	for i, p := range rec.probes {
		plot := &rec.plots[i]
		plot.At = append(plot.At, (now.at - rec.first.at).Seconds())
		for j, v := range p(rec.last, now) {
			plot.Lines[j].Values = append(plot.Lines[j].Values, v)
		}
	}
	rec.last = now
}

// stop stops recording and returns the first and last span.
func (rec *recorder) stop(ctx context.Context) (from, to span) {
	now := rec.run.measure(ctx)
	close(rec.quit)
	rec.done.Wait()
	// The rest is not a whole interval, so its rates mean little.
	if len(rec.plots) > 0 && len(rec.plots[0].At) == 0 {
		rec.take(now)
	}
	for _, plot := range rec.plots {
		plot.Lines = slices.DeleteFunc(plot.Lines, isEmpty)
		if len(plot.Lines) > 0 {
			rec.run.report.Plots = append(rec.run.report.Plots, plot)
		}
	}
	return rec.first, now
}

// isEmpty reports lines without a known value.
func isEmpty(line report.Line) bool {
	return !slices.ContainsFunc(line.Values, func(v float64) bool { return !math.IsNaN(v) })
}

// plotCurve adds a plot of a distribution.
func (r *run) plotCurve(name, title string, h *histogram) {
	if h.count == 0 {
		return
	}
	ms, percent := h.curve()
	r.report.Plots = append(r.report.Plots, report.Plot{
		Name: name, Title: title, X: "ms", Log: true, Unit: "% no slower", At: ms,
		Lines: []report.Line{{Name: "share", Values: percent}},
	})
}
