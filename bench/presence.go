package main

import (
	"bytes"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/bench/crowd"
	"github.com/wirepost/wirepost/bench/peer"
)

var present = scenario{
	name: "presence",
	question: "What does it cost that everyone in a room sees who else is there? All users enter at once, are told until each knows the right number, " +
		"and then all connections are cut and come back at once. 64 handshakes run concurrently. " +
		"Lists are those in the responses to subscribe, which have up to 1 000 users.",
	label: "users",
	columns: []column{
		{"seconds", 1},
		{"server µs/user", 0},
		{"frames/user", 1}, // with changes
		{"kB of changes/user", 1},
		{"kB of lists/user", 1},
		{"peak RSS MB", 0},
	},
	defaults: settings{peers: []string{peer.Presence}, sessions: []int{5000}, rounds: 3},
	turn:     presenceTurn,
}

func presenceTurn(s *settings, name string) ([]row, error) {
	t, err := launch(s, name)
	if err != nil {
		return nil, err
	}
	defer t.stop()
	var rows []row
	for _, what := range []string{"enter", "come back"} {
		r, c, err := enter(t, s.sessions[0], fmt.Sprintf("%d %s", s.sessions[0], what))
		if err != nil {
			return nil, err
		}
		c.Close()
		t.clients = 0 // the same users come back
		rows = append(rows, r)
	}
	return rows, nil
}

// enter connects n users, waits until each knows that all are present, and measures.
func enter(t *target, n int, label string) (r row, c *crowd.Crowd, err error) {
	v := &views{all: int64(n), counts: make([]int64, n)}
	t.dialect.Received = v.received
	before, err := t.CPU()
	if err != nil {
		return r, nil, err
	}
	began := time.Now()
	if c, err = t.crowd(n, 0); err != nil {
		return r, nil, err
	}
	if err = v.wait(); err != nil {
		c.Close()
		return r, nil, err
	}
	took := time.Since(began) - settled
	after, err := t.CPU()
	if err == nil {
		var peak int64
		peak, err = t.PeakRSS()
		perUser := func(total int64) float64 { return float64(total) / float64(n) }
		r = row{label, []float64{
			took.Seconds(), perUser((after - before).Microseconds()), perUser(v.frames.Load()),
			perUser(v.changes.Load()) / 1e3, perUser(v.lists.Load()) / 1e3, float64(peak) / 1e6,
		}}
	}
	if err != nil {
		c.Close()
	}
	return r, c, err
}

// views is what the clients know of the room, and what that took.
type views struct {
	all    int64   // how many users will be present
	counts []int64 // as each client knows; owned by the loop of the clients

	right                  atomic.Int64 // clients that know the right number
	frames, changes, lists atomic.Int64
}

var (
	changeBegins = []byte(`{"type":"presence"`)
	listBegins   = []byte(`"presence":{"count":`)
	countBegins  = []byte(`"count":`)
)

// received takes a frame of client i.
func (v *views) received(i int, payload []byte) {
	var count []byte // begins with it
	switch at := bytes.Index(payload, listBegins); {
	case bytes.HasPrefix(payload, changeBegins):
		v.frames.Add(1)
		v.changes.Add(int64(len(payload)))
		count = payload[bytes.LastIndex(payload, countBegins)+len(countBegins):]
	case at >= 0:
		v.lists.Add(int64(len(payload)))
		count = payload[at+len(listBegins):]
	default:
		return
	}
	digits := bytes.IndexFunc(count, func(r rune) bool { return r < '0' || r > '9' })
	n, _ := strconv.ParseInt(string(count[:max(0, digits)]), 10, 64)
	switch was := v.counts[i]; {
	case n == v.all && was != v.all:
		v.right.Add(1)
	case n != v.all && was == v.all:
		v.right.Add(-1)
	}
	v.counts[i] = n
}

// settled is longer than changes are collected.
const settled = 300 * time.Millisecond

// wait returns when every client has known the right number for that long.
func (v *views) wait() error {
	deadline, since := time.Now().Add(patience), time.Time{}
	for time.Now().Before(deadline) {
		switch {
		case v.right.Load() != v.all:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > settled:
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("%d of %d clients know how many users are present", v.right.Load(), v.all)
}
