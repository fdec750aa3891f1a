package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/bench/peer"
)

// TestMain runs the test binary as a server too, like the program.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "-serve" {
		if err := run(os.Args[1:], os.Stdout); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	removeBinary()
	os.Exit(code)
}

// TestScenarios runs every scenario with 20 clients and all its Go peers.
func TestScenarios(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			s := settings{
				sessions: []int{20}, inFlight: []int{1, 8}, channels: []int{20, 2000}, messages: 20, rounds: 1,
				turn: 50 * time.Millisecond, storm: 40, dir: t.TempDir(), profiles: &profiling{}, peers: goPeers(&sc),
			}
			sc.complete(&s)
			found, err := measure(&sc, &s)
			if err != nil {
				t.Fatal(err)
			}
			if len(found.Notes) > 0 {
				t.Skip(found.Notes)
			}
			check(t, found, s.peers)
		})
	}
}

func goPeers(sc *scenario) (names []string) {
	for _, name := range sc.defaults.peers {
		if slices.Contains(peer.Names(), name) || strings.HasPrefix(name, "wirepost-") || name == rawSync {
			names = append(names, name)
		}
	}
	return names
}

func check(t *testing.T, found *table, peers []string) {
	t.Helper()
	for _, name := range peers {
		if !slices.ContainsFunc(found.Lines, func(l *line) bool { return l.Peer == name }) {
			t.Errorf("there is no line for %s", name)
		}
	}
	for _, l := range found.Lines {
		if len(l.Median) != len(found.Columns) {
			t.Errorf("%s: %d values for %d columns", l.Peer, len(l.Median), len(found.Columns))
		}
	}
	if _, err := json.Marshal(found); err != nil {
		t.Error(err)
	}
}

// TestSocketIO runs where node and npm exist and the dependencies are installed.
func TestSocketIO(t *testing.T) {
	if _, err := os.Stat("node_modules"); err != nil {
		t.Skip("npm ci has not run here")
	}
	var out bytes.Buffer
	file := filepath.Join(t.TempDir(), "out.json")
	err := run(strings.Fields("-scenario fanout -peers tcp,socketio -sessions 20 -rounds 1 -turn 50ms -json "+file), &out)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || !json.Valid(text) {
		t.Errorf("the JSON file: %q, %v", text, err)
	}
	if !strings.Contains(out.String(), "| tcp | 1 |") {
		t.Errorf("the table: %s", out.String())
	}
}

func TestPlaceKeepsSurroundingText(t *testing.T) {
	document := place([]byte("# Title\n"), "fanout", "one\n")
	document = append(document, "after\n"...)
	document = place(document, "fanout", "two\n")
	const want = "# Title\n\n<!-- bench: fanout -->\ntwo\n<!-- bench: end of fanout -->\nafter\n"
	if string(document) != want {
		t.Errorf("got %q, want %q", document, want)
	}
}

func TestInvalidOptions(t *testing.T) {
	for _, args := range []string{"-scenario nothing", "-sessions 0", "-sessions x", "word"} {
		if err := run(strings.Fields(args), &bytes.Buffer{}); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
