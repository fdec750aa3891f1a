package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// table holds the results of a scenario.
type table struct {
	Scenario string   `json:"scenario"`
	Question string   `json:"question"`
	Command  string   `json:"command"`
	Label    string   `json:"label,omitempty"`
	Columns  []string `json:"columns"`
	Lines    []*line  `json:"lines"`
	Notes    []string `json:"notes,omitempty"`

	digits []int
}

// line holds the results of one server and label.
type line struct {
	Peer   string      `json:"peer"`
	Label  string      `json:"label,omitempty"`
	Rounds [][]float64 `json:"rounds"` // by round, then by column
	Median []float64   `json:"median"`
}

// floorName is the peer that the others are compared with, in rounds where it ran.
const floorName = "tcp"

func newTable(sc *scenario, s *settings) *table {
	t := &table{Scenario: sc.name, Question: sc.question, Label: sc.label, Command: s.command(sc.name)}
	for _, c := range sc.columns {
		t.Columns = append(t.Columns, c.Name)
		t.digits = append(t.digits, c.Digits)
	}
	return t
}

// command returns the command line that repeats the run.
func (s *settings) command(name string) string {
	words := []string{"go run . -scenario", name, "-peers", strings.Join(s.peers, ",")}
	for _, l := range []struct {
		flag string
		list []int
	}{{"-sessions", s.sessions}, {"-inflight", s.inFlight}, {"-channels", s.channels}} {
		if l.list != nil {
			words = append(words, l.flag, strings.Trim(strings.ReplaceAll(fmt.Sprint(l.list), " ", ","), "[]"))
		}
	}
	for _, n := range []struct {
		flag  string
		value int
	}{{"-size", s.size}, {"-messages", s.messages}, {"-rate", s.rate}, {"-storm", s.storm}, {"-rounds", s.rounds}} {
		if n.value != 0 {
			words = append(words, n.flag, strconv.Itoa(n.value))
		}
	}
	if s.turn != 0 {
		words = append(words, "-turn", s.turn.String())
	}
	return strings.Join(words, " ")
}

func (t *table) find(peer, label string) *line {
	i := slices.IndexFunc(t.Lines, func(l *line) bool { return l.Peer == peer && l.Label == label })
	if i < 0 {
		return nil
	}
	return t.Lines[i]
}

func (t *table) add(peer string, r row) {
	l := t.find(peer, r.label)
	if l == nil {
		l = &line{Peer: peer, Label: r.label}
		t.Lines = append(t.Lines, l)
	}
	l.Rounds = append(l.Rounds, r.values)
}

// finish sorts, adds the ratio to the floor, and takes the medians.
func (t *table) finish() {
	var labels []string
	for _, l := range t.Lines {
		if !slices.Contains(labels, l.Label) {
			labels = append(labels, l.Label)
		}
	}
	slices.SortStableFunc(t.Lines, func(a, b *line) int {
		return slices.Index(labels, a.Label) - slices.Index(labels, b.Label)
	})
	if len(t.Lines) > 0 && t.Lines[0].Peer == floorName && strings.HasPrefix(t.Columns[0], "server µs") {
		t.compareWithFloor()
	}
	for _, l := range t.Lines {
		for i := range t.Columns {
			l.Median = append(l.Median, l.median(i))
		}
	}
}

// compareWithFloor divides the first column by the floor's of the same round.
func (t *table) compareWithFloor() {
	t.Columns = append(t.Columns, "× floor")
	t.digits = append(t.digits, 2)
	for _, l := range t.Lines {
		floor := t.find(floorName, l.Label)
		for i, values := range l.Rounds {
			// A turn shorter than the clock's resolution of 10 ms may appear to cost
			// nothing.
			l.Rounds[i] = append(values, values[0]/max(floor.Rounds[i][0], 1e-3))
		}
	}
}

func (l *line) median(column int) float64 {
	var values []float64
	for _, r := range l.Rounds {
		values = append(values, r[column])
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

func (t *table) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n```sh\n%s\n```\n\n", t.Question, t.Command)
	head := []string{"server"}
	if t.Label != "" {
		head = append(head, t.Label)
	}
	head = append(head, t.Columns...)
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(head, " | "), "---|"+strings.Repeat("---:|", len(head)-1))
	for _, l := range t.Lines {
		cells := []string{l.Peer}
		if t.Label != "" {
			cells = append(cells, l.Label)
		}
		for i, v := range l.Median {
			cells = append(cells, strconv.FormatFloat(v, 'f', t.digits[i], 64))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	for _, n := range t.Notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	return b.String()
}
