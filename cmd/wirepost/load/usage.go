package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// usage is what the server's process uses. Unknown values are negative.
type usage struct {
	cpu         float64 // seconds of processor time since its start
	rss         float64 // bytes
	heap, stack float64 // bytes that the Go runtime has in use
	files       float64 // open, and how many there may be
	maxFiles    float64
	goVersion   string
}

func (u *usage) known() bool { return u.rss >= 0 }

func unknownUsage() usage { return usage{-1, -1, -1, -1, -1, -1, ""} }

// monitors read the usage of all nodes, as a sum.
type monitors []*monitor

// sum adds usages. What is not known of one node is not known of all.
func (all monitors) sum(usageOf func(*monitor) usage) usage {
	total := usageOf(all[0])
	for _, m := range all[1:] {
		u := usageOf(m)
		for _, field := range []struct {
			sum  *float64
			more float64
		}{
			{&total.cpu, u.cpu},
			{&total.rss, u.rss},
			{&total.heap, u.heap},
			{&total.stack, u.stack},
			{&total.files, u.files},
			{&total.maxFiles, u.maxFiles},
		} {
			if *field.sum < 0 || field.more < 0 {
				*field.sum = -1
				continue
			}
			*field.sum += field.more
		}
	}
	return total
}

func (all monitors) read(ctx context.Context) usage {
	return all.sum(func(m *monitor) usage { return m.read(ctx) })
}

func (all monitors) glance(ctx context.Context) usage {
	return all.sum(func(m *monitor) usage { return m.glance(ctx) })
}

// source names the sources of all, "" if one of them is not watched.
func (all monitors) source() string {
	var sources []string
	for _, m := range all {
		if m.source == "" {
			return ""
		}
		if !slices.Contains(sources, m.source) {
			sources = append(sources, m.source)
		}
	}
	return strings.Join(sources, ",")
}

// interval is the longest of all.
func (all monitors) interval(duration time.Duration) (longest time.Duration) {
	for _, m := range all {
		longest = max(longest, m.interval(duration))
	}
	return longest
}

// monitor reads the server's usage: from its metrics, which also works from another
// machine, else from /proc, else not at all.
type monitor struct {
	target *Target
	pid    int    // 0: not on this machine, as far as is known
	source string // "": the server cannot be watched
}

// newMonitor finds out how to read the server's usage. With pid 0 it searches for
// the process.
func newMonitor(ctx context.Context, t *Target, pid int) (*monitor, error) {
	m := &monitor{target: t, pid: pid}
	if at, err := t.address(ctx); err == nil && pid == 0 && at.Addr().IsLoopback() {
		m.pid = listenerOf(at.Port())
	}
	told, err := m.metrics(ctx)
	seen := unknownUsage()
	if m.pid != 0 {
		var err error
		if seen, err = glance(m.pid); err != nil {
			return nil, fmt.Errorf("process %d: %w", m.pid, err)
		}
		m.source = "/proc/" + strconv.Itoa(m.pid)
	}
	if err == nil {
		m.source = "metrics"
		if pid == 0 && !sameProcess(told, seen) {
			m.pid = 0 // what listens here only passes on
		}
	}
	return m, nil
}

// sameProcess reports whether both usages can be of one process, at about the same
// time.
func sameProcess(a, b usage) bool {
	return math.Abs(a.cpu-b.cpu) < 0.5 && math.Abs(a.rss-b.rss) < 0.2*a.rss
}

// read returns the current usage. A server that does not respond is not an error
// here: the benchmark itself notices.
func (m *monitor) read(ctx context.Context) usage {
	u, err := unknownUsage(), error(nil)
	switch {
	case m.source == "metrics":
		u, err = m.metrics(ctx)
	case m.pid != 0:
		u, err = readProc(m.pid)
	}
	if err != nil {
		return unknownUsage()
	}
	return u
}

// glance is read for the plots. It avoids metrics where possible, because they cost
// the server a millisecond each time.
func (m *monitor) glance(ctx context.Context) usage {
	if m.pid == 0 {
		return m.read(ctx)
	}
	u, err := glance(m.pid)
	if err != nil {
		return unknownUsage()
	}
	return u
}

// interval is the sampling interval of a run: a hundred samples, but not so frequent
// that sampling is a load of its own.
func (m *monitor) interval(duration time.Duration) time.Duration {
	least := 20 * time.Millisecond
	if m.pid == 0 && m.source != "" {
		least = time.Second
	}
	return max(min(duration/100, time.Second), least)
}

func (m *monitor) metrics(ctx context.Context) (usage, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := m.target.call(ctx, http.MethodGet, "/metrics")
	if err != nil {
		return usage{}, err
	}
	defer r.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	if err != nil {
		return usage{}, err
	}
	if r.StatusCode != http.StatusOK {
		return usage{}, refusal(r, body)
	}
	u := parseMetrics(body)
	if !u.known() {
		return u, fmt.Errorf("the metrics have nothing about the process")
	}
	return u, nil
}

// parseMetrics parses the known metrics of Prometheus's text format.
func parseMetrics(text []byte) usage {
	u := unknownUsage()
	fields := map[string]*float64{
		"process_cpu_seconds_total": &u.cpu, "process_resident_memory_bytes": &u.rss,
		"go_memstats_heap_inuse_bytes": &u.heap, "go_memstats_stack_inuse_bytes": &u.stack,
		"process_open_fds": &u.files, "process_max_fds": &u.maxFiles,
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if field := fields[name]; field != nil {
			if v, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
				*field = v
			}
		}
		if version, ok := strings.CutPrefix(name, `go_info{version="`); ok {
			u.goVersion, _, _ = strings.Cut(version, `"`)
		}
	}
	return u
}
