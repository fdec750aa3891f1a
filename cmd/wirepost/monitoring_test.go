package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	collector "github.com/wirepost/wirepost/prometheus"
)

// metricLabels returns the labels of each metric of a server, by name.
func metricLabels(t *testing.T) map[string][]string {
	t.Helper()
	descs := make(chan *prometheus.Desc, 1000)
	for _, c := range []prometheus.Collector{
		buildInfo(), collector.NewCollector(nil), collector.NewHooksCollector(nil),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector(),
	} {
		c.Describe(descs)
	}
	close(descs)
	form := regexp.MustCompile(`^Desc\{fqName: "([^"]+)", .*constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}\}$`)
	all := map[string][]string{}
	for d := range descs {
		m := form.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("the description %s has another form", d)
		}
		labels := strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })
		for _, pair := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
			labels = append(labels, pair[1])
		}
		all[m[1]] = labels
	}
	return all
}

var (
	metricIn   = regexp.MustCompile(`\b((?:wirepost|process|go)_[a-z0-9_]+)(\{[^}]*\})?`)
	selectorIn = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"[^"]*"`)
	groupingIn = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

// checkExpression compares an expression with the metrics.
func checkExpression(t *testing.T, where, text string, metrics map[string][]string) {
	t.Helper()
	known := []string{"instance", "job"} // which Prometheus adds
	found := false
	for _, m := range metricIn.FindAllStringSubmatch(text, -1) {
		name, histogram := strings.CutSuffix(m[1], "_bucket")
		labels, ok := metrics[name]
		if !ok {
			t.Errorf("%s: there is no metric %s: %s", where, name, text)
			continue
		}
		if histogram {
			labels = append(slices.Clone(labels), "le")
		}
		for _, s := range selectorIn.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(append(labels, "instance", "job"), s[1]) {
				t.Errorf("%s: %s has no label %s: %s", where, name, s[1], text)
			}
		}
		known, found = append(known, labels...), true
	}
	for _, by := range groupingIn.FindAllStringSubmatch(text, -1) {
		for _, label := range strings.Split(by[1], ",") {
			if label = strings.TrimSpace(label); !slices.Contains(known, label) {
				t.Errorf("%s: no metric has the label %s: %s", where, label, text)
			}
		}
	}
	if !found && !strings.HasPrefix(text, "up{") {
		t.Errorf("%s: no metric in %s", where, text)
	}
	if strings.Count(text, "(") != strings.Count(text, ")") {
		t.Errorf("%s: the parentheses do not match: %s", where, text)
	}
}

// TestAlerts compares the alert rules with the metrics that a server has.
func TestAlerts(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../deploy/prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(data, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	metrics := metricLabels(t)
	n := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			n++
			checkExpression(t, r.Alert, r.Expr, metrics)
			if r.Alert == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("%q lacks a name, a severity or a summary", r.Alert)
			}
			for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(r.Annotations["summary"], -1) {
				if m[1] != "instance" && !strings.Contains(r.Expr, m[1]) && !slices.ContainsFunc(metricIn.FindAllStringSubmatch(r.Expr, -1), func(in []string) bool {
					return slices.Contains(metrics[in[1]], m[1])
				}) {
					t.Errorf("%s: the summary has the label %s, which the expression has not", r.Alert, m[1])
				}
			}
		}
	}
	if n == 0 {
		t.Error("there are no rules")
	}
}

// TestDashboard compares the dashboard with the metrics that a server has.
func TestDashboard(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../deploy/grafana/wirepost.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID    string
		Panels []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ RefID, Expr string }
		}
		Annotations struct{ List []struct{ Name, Expr string } }
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	metrics := metricLabels(t)
	used := map[string]bool{}
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q: its ID is used twice, or it does not fit", p.Title)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			checkExpression(t, p.Title, target.Expr, metrics)
			for _, m := range metricIn.FindAllStringSubmatch(target.Expr, -1) {
				used[strings.TrimSuffix(m[1], "_bucket")] = true
			}
		}
	}
	for _, a := range board.Annotations.List {
		checkExpression(t, a.Name, a.Expr, metrics)
	}
	if len(used) < 20 {
		t.Errorf("the dashboard shows %d metrics", len(used))
	}
}
