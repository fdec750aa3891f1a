package wirepost

import (
	"net/http"
	"time"
)

// Metrics is what the server counted since it started, for monitoring; the package
// wirepost/prometheus makes a collector of it.
type Metrics struct {
	Stats
	ReadErrors    uint64            // reads of messages that failed in the store
	ClockJumps    uint64            // times that the system's clock jumped by more than a minute
	Closes        map[string]uint64 // connections that ended, by close code
	Refused       map[string]uint64 // connections and messages refused, and sessions closed for sending too much, by reason
	AppendSeconds Histogram         // until a batch of messages was stored
}

// Histogram is a distribution of durations, in seconds.
type Histogram struct {
	Count   uint64
	Sum     float64
	Buckets map[float64]uint64 // by upper bound: how many were not above it
}

// Metrics returns what the server counted.
func (s *Server) Metrics() Metrics {
	c := s.host.Counters
	return Metrics{
		Stats: s.Stats(), ReadErrors: c.ReadErrors.Load(), ClockJumps: uint64(s.host.Clock.Jumps()),
		Closes: c.Closes.All(), Refused: c.Refused.All(), AppendSeconds: Histogram(c.Appends.Snapshot()),
	}
}

// Stats tells what the server counted.
func (s *Server) Stats() Stats {
	h := s.host
	return Stats{
		Connections: h.Users.Connections(), Users: h.Users.Online(), Channels: h.Feeds.Subscribed(),
		Pushes: h.Counters.Pushes.Load(), Deliveries: h.Counters.Deliveries.Load(),
		Acks: h.Counters.Acks.Load(), Gaps: h.Counters.Gaps.Load(),
		Epoch: h.Epoch, Uptime: time.Since(s.started).Milliseconds(),
	}
}

// CountRefusal counts something that was refused, for whoever guards the server
// from outside of this package. Reasons are few and fixed: each is a time series.
func (s *Server) CountRefusal(reason string) { s.host.Counters.Refused.Add(reason) }

// Refuse answers a request with an error as WriteError does, counts it, and logs it
// as Options.LogRefusals says. It is for whoever guards the server from outside of
// this package.
func (s *Server) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.gateway.Refuse(w, r, asFault(err))
}
