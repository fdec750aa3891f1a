package httpapi

import (
	"net/http"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/trend"
)

// maxTop is the longest list of the largest channels, or of slow sessions.
const maxTop = 100

// counters has the fields of wirepost.Stats without its JSON form, which could not be
// extended.
type counters wirepost.Stats

// statsResponse is the body of a response to GET /v1/stats.
type statsResponse struct {
	counters
	Uptime int64         `json:"uptime_ms"`
	Memory uint64        `json:"memory_bytes"`
	Hooks  []hookStats   `json:"hooks,omitempty"`
	Events *eventStats   `json:"events,omitempty"`
	Top    *wirepost.Top `json:"top,omitempty"`
}

// eventStats describes the log of events, if events are written.
type eventStats struct {
	Seq     uint64        `json:"seq"`
	Written uint64        `json:"written"`
	Lost    uint64        `json:"lost"`
	Readers []eventReader `json:"readers"`
}

type eventReader struct {
	wirepost.EventReader
	LagMS     int64   `json:"lag_ms"`
	LatencyMS float64 `json:"latency_ms"`
}

// hookStats describes a hook, if there are any.
type hookStats struct {
	Hook        string            `json:"hook"`
	URL         string            `json:"url"`
	Requests    map[string]uint64 `json:"requests"`
	InFlight    int               `json:"in_flight"`
	BreakerOpen bool              `json:"breaker_open"`
	Opened      uint64            `json:"opened"`
	Failures    int               `json:"failures"`
	LatencyMS   float64           `json:"latency_ms"`
	LastError   string            `json:"last_error,omitempty"`
	LastErrorAt int64             `json:"last_error_at,omitempty"`
}

func (a *api) hookStats() (all []hookStats) {
	if a.hooks == nil {
		return nil
	}
	for _, h := range a.hooks.Stats() {
		s := hookStats{
			Hook: h.Hook, URL: h.URL, Requests: h.Requests, InFlight: h.InFlight, BreakerOpen: h.BreakerOpen, Opened: h.Opened,
			Failures: h.Failures, LatencyMS: milliseconds(h.Latency), LastError: h.LastError,
		}
		if s.Requests == nil {
			s.Requests = map[string]uint64{}
		}
		if h.LastError != "" {
			s.LastErrorAt = h.LastFail.UnixMilli()
		}
		all = append(all, s)
	}
	return all
}

// milliseconds is a duration in milliseconds, to the microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

func (a *api) eventStats(r *request) *eventStats {
	if !a.srv.EventsWritten() {
		return nil
	}
	all := a.srv.EventStats(r.Context(), true)
	stats := &eventStats{Seq: all.Seq, Written: all.Written, Lost: all.Lost, Readers: []eventReader{}}
	for _, reader := range all.Readers {
		stats.Readers = append(stats.Readers, eventReader{reader, reader.Lag.Milliseconds(), milliseconds(reader.Latency)})
	}
	return stats
}

// stats is GET /v1/stats.
func (a *api) stats(w http.ResponseWriter, r *request) error {
	counted := a.srv.Stats()
	response := statsResponse{counters: counters(counted), Uptime: counted.Uptime.Milliseconds(), Memory: trend.Memory(), Hooks: a.hookStats(), Events: a.eventStats(r)}
	if r.query.Has("top") {
		n, err := r.number("top", 0, 1, maxTop)
		if err != nil {
			return err
		}
		top := a.srv.Top(int(n))
		response.Top = &top
	}
	return writeJSON(w, http.StatusOK, response)
}

// trend is GET /v1/stats/history. Each number has a list of its own, as charts need them.
func (a *api) trend(w http.ResponseWriter, _ *request) error {
	points := a.srv.Trend()
	n := len(points)
	response := trendResponse{
		Now: time.Now().UnixMilli(), Interval: wirepost.TrendInterval.Milliseconds(), Time: make([]int64, n), Connections: make([]int, n), Users: make([]int, n),
		Pushes: make([]uint64, n), Deliveries: make([]uint64, n), Memory: make([]uint64, n),
	}
	for i, p := range points {
		response.Time[i], response.Connections[i], response.Users[i] = p.Time.UnixMilli(), p.Connections, p.Users
		response.Pushes[i], response.Deliveries[i], response.Memory[i] = p.Pushes, p.Deliveries, p.Memory
	}
	return writeJSON(w, http.StatusOK, response)
}

// trendResponse is the body of a response to GET /v1/stats/history.
type trendResponse struct {
	Now         int64    `json:"now"`
	Interval    int64    `json:"interval_ms"`
	Time        []int64  `json:"time"`
	Connections []int    `json:"connections"`
	Users       []int    `json:"users"`
	Pushes      []uint64 `json:"pushes"`
	Deliveries  []uint64 `json:"deliveries"`
	Memory      []uint64 `json:"memory_bytes"`
}
