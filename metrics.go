package wirepost

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// metrics counts what the server does. Names and labels are a contract with
// dashboards.
type metrics struct {
	pushes        prometheus.Counter
	deliveries    prometheus.Counter
	acks          prometheus.Counter
	gaps          prometheus.Counter
	readErrors    prometheus.Counter
	closes        *prometheus.CounterVec
	refused       *prometheus.CounterVec
	appendSeconds prometheus.Histogram
	all           []prometheus.Collector
}

func newMetrics(s *Server) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(value()) })
	}
	m := &metrics{
		pushes:     counter("wirepost_pushes_total", "Messages and revocations stored."),
		deliveries: counter("wirepost_deliveries_total", "Messages written to connections."),
		acks:       counter("wirepost_acks_total", "Messages acknowledged by clients."),
		gaps:       counter("wirepost_gaps_total", "Times that a client had to go on behind a gap."),
		readErrors: counter("wirepost_read_errors_total", "Reads of messages that failed in the store."),
		closes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "wirepost_closes_total", Help: "Connections ended, by close code.",
		}, []string{"code"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "wirepost_refused_total", Help: "Connections and messages refused, and sessions closed for sending too much, by reason.",
		}, []string{"reason"}),
		appendSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "wirepost_append_seconds",
			Help:    "Time until a batch of messages was stored, in seconds.",
			Buckets: prometheus.ExponentialBuckets(0.00005, 2, 16),
		}),
	}
	m.all = []prometheus.Collector{
		m.pushes, m.deliveries, m.acks, m.gaps, m.readErrors, m.closes, m.refused, m.appendSeconds,
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "wirepost_clock_jumps_total", Help: "Times that the system's clock jumped by more than a minute.",
		}, func() float64 { return float64(s.clock.Jumps()) }),
		gauge("wirepost_connections", "Client connections, without those that are being closed.", func() int { return s.users.Connections() }),
		gauge("wirepost_users", "Users with an open connection.", func() int { return s.users.Online() }),
		gauge("wirepost_channels", "Channels with a subscriber.", s.feeds.Subscribed),
	}
	return m
}

// closed counts an ended connection. A peer may send any code from 3000 to 4999;
// those that are not ours share a label, for they are the peer's to choose.
func (m *metrics) closed(code int) {
	label := "other"
	if code < 3000 || code >= 4400 && code < 4500 {
		label = strconv.Itoa(code)
	}
	m.closes.WithLabelValues(label).Inc()
}

// Collector gives the server's metrics to a Prometheus registry.
func (s *Server) Collector() prometheus.Collector { return collectors(s.metrics.all) }

type collectors []prometheus.Collector

// Describe implements prometheus.Collector.
func (cs collectors) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range cs {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (cs collectors) Collect(ch chan<- prometheus.Metric) {
	for _, c := range cs {
		c.Collect(ch)
	}
}

// Stats tells what the server counted.
func (s *Server) Stats() Stats {
	return Stats{
		Connections: s.users.Connections(), Users: s.users.Online(), Channels: s.feeds.Subscribed(),
		Pushes: value(s.metrics.pushes), Deliveries: value(s.metrics.deliveries),
		Acks: value(s.metrics.acks), Gaps: value(s.metrics.gaps),
		Epoch: s.engine.Epoch(), Uptime: time.Since(s.started).Milliseconds(),
	}
}

func value(c prometheus.Counter) uint64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		return 0
	}
	return uint64(m.GetCounter().GetValue())
}
