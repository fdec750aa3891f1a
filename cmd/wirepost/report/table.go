package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Table writes the results for a terminal.
func (r *Report) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, m := range r.Results {
		value, unit := m.Text()
		fmt.Fprintf(t, "%s\t%s\t %s\n", pad(m.Label, r.widest()), value, unit)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	for _, failure := range r.Failures {
		fmt.Fprintf(w, "failed: %s\n", failure)
	}
	if r.Interrupted {
		fmt.Fprintln(w, "interrupted: this is what there was until then")
	}
	return nil
}

func (r *Report) widest() (width int) {
	for _, m := range r.Results {
		width = max(width, len(m.Label))
	}
	return width
}

func pad(s string, width int) string { return s + strings.Repeat(" ", width-len(s)) }

// Text formats a value for people.
func (m Measure) Text() (value, unit string) {
	v, unit := m.Value, m.Unit
	switch {
	case math.IsNaN(v):
		return "unknown", ""
	case unit == "bytes" && math.Abs(v) >= 1<<20:
		v, unit = v/(1<<20), "MiB"
	case unit == "bytes" && math.Abs(v) >= 10<<10:
		v, unit = v/(1<<10), "KiB"
	case unit == "bytes":
		return group(math.Round(v)), unit
	}
	switch {
	case v == math.Trunc(v) && unit == "", math.Abs(v) >= 1000:
		return group(math.Round(v)), unit
	case math.Abs(v) >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64), unit
	case math.Abs(v) >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64), unit
	case math.Abs(v) >= 0.1 || v == 0:
		return strconv.FormatFloat(v, 'f', 2, 64), unit
	}
	return strconv.FormatFloat(v, 'g', 2, 64), unit
}

// group separates thousands by a space.
func group(v float64) string {
	digits := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	var b strings.Builder
	if v < 0 {
		b.WriteByte('-')
	}
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(d)
	}
	return b.String()
}
