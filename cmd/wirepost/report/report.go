// Package report writes the results of a benchmark as a table, as JSON and as one
// HTML file with plots.
package report

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"time"
)

// Format is the version of the JSON. Fields are only ever added to it.
const Format = 1

// Report is one run of a benchmark.
type Report struct {
	Format      int            `json:"format"`
	Benchmark   string         `json:"benchmark"` // idle, fanout, push or latency
	Started     time.Time      `json:"started"`
	Seconds     float64        `json:"seconds"`     // that the whole run took
	Interrupted bool           `json:"interrupted"` // it ended before its time
	Wirepost    string         `json:"wirepost"`    // version of the command that measured
	Go          string         `json:"go"`
	Flags       map[string]any `json:"flags"` // without keys and secrets
	Machine     Machine        `json:"machine"`
	Server      Server         `json:"server"`
	Results     Results        `json:"results"`
	Failures    []string       `json:"failures"` // why the run does not count; empty: it does
	Notes       []string       `json:"notes"`    // what a reader should know
	Plots       []Plot         `json:"plots"`
}

// Machine describes the measuring machine, which usually also runs the server.
type Machine struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"` // that Go uses
	Memory uint64 `json:"memory_bytes"`
}

// Server describes the measured server.
type Server struct {
	URL    string `json:"url"`
	Go     string `json:"go"`     // version that it was built with, if it tells
	Source string `json:"source"` // of CPU and memory: metrics, /proc/PID or empty
}

// Measure is one result.
type Measure struct {
	Name  string // in JSON; it ends with the unit if it has one
	Label string // for people
	Value float64
	Unit  string // for people: "ms", "1/s", "bytes", …; "" for a number of things
}

// Results are in display order. In JSON they are one object of name and value.
type Results []Measure

// Value finds a result by its name.
func (r Results) Value(name string) (float64, bool) {
	for _, m := range r {
		if m.Name == name {
			return m.Value, true
		}
	}
	return 0, false
}

// MarshalJSON implements json.Marshaler.
func (r Results) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range r {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(m.Name)
		if err != nil {
			return nil, err
		}
		value, err := Values{m.Value}.MarshalJSON()
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(bytes.Trim(value, "[]"))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Plot has lines over one axis: time in seconds, unless X says otherwise.
type Plot struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	X     string `json:"x"`   // what the axis shows
	Log   bool   `json:"log"` // the axis is logarithmic
	Unit  string `json:"unit"`
	At    Values `json:"at"`
	Lines []Line `json:"lines"`
}

// Line has a value for each position on the axis; NaN for none.
type Line struct {
	Name   string `json:"name"`
	Values Values `json:"values"`
}

// Values are numbers that may be missing (NaN), which is null in JSON.
type Values []float64

// MarshalJSON implements json.Marshaler.
func (v Values) MarshalJSON() ([]byte, error) {
	list := make([]*float64, len(v))
	for i, n := range v {
		if !math.IsNaN(n) && !math.IsInf(n, 0) {
			rounded := round(n)
			list[i] = &rounded
		}
	}
	return json.Marshal(list)
}

// round keeps six digits, more than the precision of any measurement here.
func round(v float64) float64 {
	if v == 0 || math.Abs(v) >= 1e6 {
		return math.Round(v)
	}
	scale := math.Pow(10, 5-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// JSON writes the report as one indented object.
func (r *Report) JSON(w io.Writer) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
