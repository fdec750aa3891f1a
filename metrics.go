package wirepost

import (
	"context"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/events"
)

// Metrics are the counters of a server since its start. The package
// wirepost/prometheus is a collector of them.
type Metrics struct {
	Stats         Stats
	ReadErrors    uint64            // failed reads of messages from the store
	ClockJumps    uint64            // jumps of the system's clock by more than a minute
	Closes        map[string]uint64 // closed connections, by close code
	Refused       map[string]uint64 // refused connections and messages, and sessions closed for exceeding a rate, by reason
	AppendSeconds Histogram         // time to store a batch of messages
	Scheduled     ScheduledStats
	Escalation    []EscalationCount
	WebPush       WebPushStats
	Events        EventStats      // without EventReader.Behind
	TurnSeconds   []Histogram     // time of a turn of each event loop, which other clients of the loop wait for
	Cluster       *ClusterMetrics // nil: the server is not a node of a cluster
	Store         *StoreStats     // nil: the engine has no files, as engine/memory
}

// ScheduledStats counts the scheduled pushes whose time has come, on this node.
type ScheduledStats struct {
	Pushed  uint64
	Expired uint64 // not pushed, because their time to live had ended
}

// EscalationCount counts the steps of escalations, of one kind and with one outcome, on this
// node.
type EscalationCount struct {
	Via     EscalationVia
	Outcome EscalationState
	Steps   uint64
}

// Histogram is a distribution of durations, in seconds.
type Histogram = engine.Histogram

// StoreStats are measurements of the store and its volume.
type StoreStats = engine.StoreStats

// ClusterMetrics are the counters of a node of a cluster.
type ClusterMetrics struct {
	engine.ClusterStats
	Members map[engine.NodeState]int // nodes of the cluster that this one knows, itself included, by state
}

// Metrics returns the server's counters.
func (s *Server) Metrics() Metrics {
	c := s.host.Counters
	m := Metrics{
		Stats: s.Stats(), ReadErrors: c.ReadErrors.Load(), ClockJumps: uint64(s.host.Clock.Jumps()),
		Closes: c.Closes.All(), Refused: c.Refused.All(), AppendSeconds: Histogram(c.Appends.Snapshot()),
	}
	m.Scheduled.Pushed, m.Scheduled.Expired = s.scheduled.Stats()
	for c, n := range s.escalation.Counts() {
		m.Escalation = append(m.Escalation, EscalationCount{c.Via, c.Outcome, n})
	}
	m.WebPush = s.pusher.stats()
	m.Events = s.EventStats(context.Background(), false)
	for _, turns := range s.gateway.Turns() {
		m.TurnSeconds = append(m.TurnSeconds, Histogram(turns))
	}
	if s.shared != nil {
		m.Cluster = clusterMetrics(s.shared)
	}
	m.Store = s.Store()
	return m
}

// Store measures the store. It returns nil if the engine has no files.
func (s *Server) Store() *StoreStats {
	if e, ok := s.engine.(engine.Measured); ok {
		if stats, ok := e.StoreStats(); ok {
			return &stats
		}
	}
	return nil
}

func clusterMetrics(e engine.Shared) *ClusterMetrics {
	m := &ClusterMetrics{ClusterStats: e.Stats(), Members: make(map[engine.NodeState]int, len(engine.NodeStates))}
	for _, state := range engine.NodeStates {
		m.Members[state] = 0 // so that an alert has a time series before something happens
	}
	for _, n := range e.Cluster().Nodes {
		m.Members[n.State]++
	}
	return m
}

// Stats returns the server's main counters.
func (s *Server) Stats() Stats {
	h := s.host
	return Stats{
		Connections: h.Users.Connections(), Users: h.Users.Online(), Channels: s.subscribedChannels(),
		Pushes: h.Counters.Pushes.Load(), Deliveries: h.Counters.Deliveries.Load(),
		Acks: h.Counters.Acks.Load(), Gaps: h.Counters.Gaps.Load(),
		Epoch: h.Epoch, Uptime: time.Since(s.started),
	}
}

// subscribedChannels is the number of channels with a subscriber, without those of the
// server itself.
func (s *Server) subscribedChannels() int {
	n := s.host.Feeds.Subscribed()
	if f := s.host.Feeds.Find(events.Channel); f != nil && f.Subscribed() {
		n--
	}
	return n
}

// CountRefusal counts a refusal by a handler in front of the server, such as a rate
// limiter. Each reason is a time series, so use few of them.
func (s *Server) CountRefusal(reason string) { s.host.Counters.Refused.Add(reason) }

// Refuse answers a request with an error as WriteError does, counts the refusal, and
// logs it at the level that Options.LogRefusals sets. It is for handlers in front of
// the server.
func (s *Server) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.gateway.Refuse(w, r, asFault(err))
}
