package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/wirepost/wirepost/internal/uplot"
)

var (
	//go:embed report.js
	script string
	//go:embed report.css
	style string
	//go:embed report.html
	markup string
)

var page = template.Must(template.New("report").Parse(markup))

// HTML writes a self-contained page that needs no network and no other file.
func (r *Report) HTML(w io.Writer) error {
	// json escapes <, > and &, so that no text can end the script element.
	plots, err := json.Marshal(r.Plots)
	if err != nil {
		return err
	}
	return page.Execute(w, map[string]any{
		"Report": r, "Rows": r.rows(), "Flags": r.flagList(), "Facts": r.facts(),
		"Plots": template.JS(plots),
		"Style": template.CSS(uplot.Style + style), "Licence": uplot.Licence,
		"Scripts": []template.JS{template.JS(uplot.Script), template.JS(script)},
	})
}

type row struct{ Label, Value, Unit string }

func (r *Report) rows() (rows []row) {
	for _, m := range r.Results {
		value, unit := m.Text()
		rows = append(rows, row{m.Label, value, unit})
	}
	return rows
}

func (r *Report) flagList() (rows []row) {
	for _, name := range slices.Sorted(maps.Keys(r.Flags)) {
		rows = append(rows, row{Label: "--" + name, Value: fmt.Sprint(r.Flags[name])})
	}
	return rows
}

// facts describe where and when the run took place.
func (r *Report) facts() []row {
	m := r.Machine
	machine := fmt.Sprintf("%s/%s, %d cores", m.OS, m.Arch, m.Cores)
	if m.CPU != "" {
		machine += ", " + m.CPU
	}
	if m.Memory > 0 {
		machine += fmt.Sprintf(", %.0f GiB", float64(m.Memory)/(1<<30))
	}
	server := r.Server.URL
	if r.Server.Go != "" {
		server += ", " + r.Server.Go
	}
	source := r.Server.Source
	if source == "" {
		source = "unknown"
	}
	return []row{
		{Label: "started", Value: r.Started.Format("2006-01-02 15:04:05 MST")},
		{Label: "took", Value: fmt.Sprintf("%.1f s", r.Seconds)},
		{Label: "server", Value: server},
		{Label: "its CPU and memory from", Value: source},
		{Label: "measured by", Value: strings.TrimSpace(r.Wirepost + ", " + r.Go)},
		{Label: "machine", Value: machine},
		{Label: "kernel", Value: m.Kernel},
	}
}
