package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// benchResult is the part of a report that scripts read.
type benchResult struct {
	Benchmark   string             `json:"benchmark"`
	Interrupted bool               `json:"interrupted"`
	Flags       map[string]any     `json:"flags"`
	Results     map[string]float64 `json:"results"`
	Failures    []string           `json:"failures"`
	Notes       []string           `json:"notes"`
	Plots       []struct {
		At    []float64 `json:"at"`
		Lines []struct {
			Values []*float64 `json:"values"`
		} `json:"lines"`
	} `json:"plots"`
}

// bench runs `wirepost bench` with a report in JSON and HTML.
func bench(t *testing.T, ctx context.Context, address string, args ...string) (r benchResult, page string, err error) {
	t.Helper()
	dir := t.TempDir()
	jsonFile, htmlFile := filepath.Join(dir, "r.json"), filepath.Join(dir, "r.html")
	args = append([]string{"bench"}, append(args, "--server", address, "--json", jsonFile, "--html", htmlFile)...)
	var out bytes.Buffer
	err = dispatch(ctx, args, nil, &terminal{Out: &out, Err: io.Discard})
	text, readErr := os.ReadFile(jsonFile)
	if readErr != nil {
		return r, "", err // it ended before there was a report
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	html, readErr := os.ReadFile(htmlFile)
	if readErr != nil {
		t.Fatal(readErr)
	}
	t.Logf("%s", out.String())
	return r, string(html), err
}

func TestBench(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		want map[string]float64
		more []string // results above zero
	}{
		{
			"idle",
			[]string{"idle", "--connections=20", "--settle=50ms", "--duration=100ms"},
			map[string]float64{"connections": 20},
			[]string{"handshakes_per_s", "handshake_p50_ms", "rss_after_bytes", "heap_after_bytes", "stack_after_bytes"},
		},
		{
			"idle in v1",
			[]string{"idle", "--connections=20", "--settle=50ms", "--duration=50ms", "--mode=v1", "--source-addresses=3"},
			map[string]float64{"connections": 20},
			[]string{"handshakes_per_s"},
		},
		{
			"fanout",
			[]string{"fanout", "--connections=20", "--count=30"},
			map[string]float64{"messages": 30, "deliveries": 600, "missing": 0, "gaps": 0, "repeats": 0, "spoilt": 0},
			[]string{"deliveries_per_s", "delivery_p50_ms", "last_delivery_max_ms", "client_cpu_us_per_delivery"},
		},
		{
			"fanout by time, in v1, some slow",
			[]string{"fanout", "--connections=20", "--duration=300ms", "--in-flight=8", "--mode=v1", "--slow-percent=10", "--channel=room:7"},
			map[string]float64{"slow_connections": 2, "missing": 0},
			[]string{"messages", "deliveries"},
		},
		{
			"push",
			[]string{"push", "--publishers=4", "--channels=7", "--count=60"},
			map[string]float64{"pushes": 60, "refused": 0},
			[]string{"pushes_per_s", "push_p99_ms"},
		},
		{
			"push by streams",
			[]string{"push", "--ndjson", "--publishers=2", "--channels=7", "--duration=300ms", "--in-flight=5", "--size=1KiB"},
			map[string]float64{"refused": 0},
			[]string{"pushes", "pushes_per_s", "push_p99_ms"},
		},
		{
			"latency",
			[]string{"latency", "--connections=10", "--rate=100", "--duration=300ms"},
			map[string]float64{"messages": 30, "deliveries": 300, "missing": 0},
			[]string{"delivery_p50_ms", "delivery_max_ms"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			_, address, done := testApp(t, ctx, func(c *Config) { c.MaxMessage = 64 << 10 })
			defer func() { cancel(); <-done }()
			r, page, err := bench(t, ctx, address, tc.args...)
			if err != nil || len(r.Failures) > 0 {
				t.Fatalf("%v, failures %q", err, r.Failures)
			}
			for name, want := range tc.want {
				if got, ok := r.Results[name]; !ok || got != want {
					t.Errorf("%s is %g, want %g", name, got, want)
				}
			}
			for _, name := range tc.more {
				if r.Results[name] <= 0 {
					t.Errorf("%s is %g", name, r.Results[name])
				}
			}
			if r.Benchmark != tc.args[0] || len(r.Notes) > 0 {
				t.Errorf("benchmark %q, notes %q", r.Benchmark, r.Notes)
			}
			checkPlots(t, &r, page)
			checkDocumented(t, &r)
		})
	}
}

// checkPlots checks the data of the plots.
func checkPlots(t *testing.T, r *benchResult, page string) {
	t.Helper()
	if len(r.Plots) < 3 {
		t.Errorf("there are %d plots", len(r.Plots))
	}
	for _, plot := range r.Plots {
		for _, line := range plot.Lines {
			if len(line.Values) != len(plot.At) || len(plot.At) == 0 || !slices.IsSorted(plot.At) {
				t.Errorf("%d values at %v", len(line.Values), plot.At)
			}
		}
	}
	if !strings.Contains(page, `"lines":[{"name":"p50","values":[`) && !strings.Contains(page, `"lines":[{"name":"open","values":[`) {
		t.Error("the page has no data")
	}
	if regexp.MustCompile(`(?:src|href)="?(?:https?:)?//`).MatchString(page) {
		t.Error("the page fetches something")
	}
}

// checkDocumented checks that every result is documented.
func checkDocumented(t *testing.T, r *benchResult) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/bench.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range r.Results {
		if name != "late_p99_ms" {
			name = regexp.MustCompile(`_(p50|p90|p99|max)_ms$`).ReplaceAllString(name, "_…_ms")
		}
		name = regexp.MustCompile(`^(heap|stack)_`).ReplaceAllString(name, "rss_")
		if !bytes.Contains(doc, []byte("`"+name+"`")) {
			t.Errorf("docs/bench.md lacks the result %s", name)
		}
	}
}

// TestBenchFlagsDocumented does for bench what TestCommandDocumented does for the
// other commands.
func TestBenchFlagsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/bench.md")
	if err != nil {
		t.Fatal(err)
	}
	parser, err := newParser(&grammar{}, newSettings(nil), &terminal{Out: io.Discard, Err: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Leaves(false) {
		if command.Parent.Name != "bench" {
			continue
		}
		for _, flag := range command.Flags {
			if flag.Name != "help" && !bytes.Contains(doc, []byte("`--"+flag.Name+"`")) {
				t.Errorf("docs/bench.md lacks --%s of wirepost bench %s", flag.Name, command.Name)
			}
		}
	}
}

// TestBenchInterrupted stops a long run early: the results so far are reported.
func TestBenchInterrupted(t *testing.T) {
	app, address, _ := testApp(t, t.Context(), func(*Config) {})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		look := time.NewTicker(10 * time.Millisecond)
		defer look.Stop()
		for range look.C {
			if app.server.Stats().Deliveries > 100 {
				cancel() // there is something to tell
				return
			}
		}
	}()
	r, _, err := bench(t, ctx, address, "fanout", "--connections=5", "--duration=1h")
	if err != nil || !r.Interrupted || len(r.Failures) > 0 || r.Results["messages"] == 0 || r.Results["missing"] != 0 {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestBenchServerEnds stops the server during a run, which makes the run fail.
func TestBenchServerEnds(t *testing.T) {
	for _, args := range [][]string{
		{"fanout", "--connections=5"},
		{"latency", "--connections=5"},
		{"push", "--publishers=3"},
		{"push", "--publishers=3", "--ndjson"},
		{"idle", "--connections=5"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			_, address, done := testApp(t, ctx, func(c *Config) { c.Drain = duration(time.Second) })
			time.AfterFunc(time.Second, cancel)
			r, _, err := bench(t, t.Context(), address, append(args, "--duration=1h")...)
			if err == nil {
				t.Errorf("the run is good: %+v", r)
			}
			<-done
		})
	}
}

func TestBenchMistakes(t *testing.T) {
	_, address, _ := testApp(t, t.Context(), func(*Config) {})
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"push", "--single", "--ndjson"}, "ndjson"},
		{[]string{"fanout", "--slow-percent=100"}, "not a percentage"},
		{[]string{"latency", "--rate=0"}, "not a rate"},
		{[]string{"idle", "--mode=v2"}, `"v2" is not plain or v1`},
		{[]string{"idle", "--connections=1000000000"}, "are too many"},
		{[]string{"push", "--publishers=1000000000"}, "are too many"},
		{[]string{"fanout", "--channel=a b"}, "plain letters"},
		{[]string{"fanout", "--connections=2", "--size=2KiB", "--count=3"}, "more than 1024"},
		{[]string{"idle", "--pid=2000000000"}, "process 2000000000"},
	} {
		_, _, err := bench(t, t.Context(), address, tc.args...)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: got %v, want …%s…", tc.args, err, tc.want)
		}
	}
}
