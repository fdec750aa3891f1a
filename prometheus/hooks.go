package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wirepost/wirepost/hooks"
)

// HookSource provides the metrics of hooks: a *hooks.Hooks.
type HookSource interface {
	Stats() []hooks.Stats
}

// NewHooksCollector returns a collector of the metrics of hooks. Names and labels are a
// contract with dashboards.
func NewHooksCollector(s HookSource) prometheus.Collector { return hooksCollector{s} }

type hooksCollector struct{ source HookSource }

var (
	hookRequests = desc("wirepost_hook_requests_total", "Questions to hooks, by hook and result: ok, refused, failed, timeout, canceled, busy or open.", "hook", "result")
	hookSeconds  = desc("wirepost_hook_seconds", "Duration of the requests to a hook, in seconds.", "hook")
	hookInFlight = desc("wirepost_hook_in_flight", "Requests to a hook that are under way.", "hook")
	hookOpen     = desc("wirepost_hook_breaker_open", "1 while a hook is not asked because of repeated failures.", "hook")
	hookOpened   = desc("wirepost_hook_breaker_opened_total", "How often the breaker of a hook was opened.", "hook")
)

// Describe implements prometheus.Collector.
func (hooksCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{hookRequests, hookSeconds, hookInFlight, hookOpen, hookOpened} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c hooksCollector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.source.Stats() {
		add := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, kind, value, append([]string{s.Hook}, labels...)...)
		}
		for result, n := range s.Requests {
			add(hookRequests, prometheus.CounterValue, float64(n), result)
		}
		add(hookInFlight, prometheus.GaugeValue, float64(s.InFlight))
		open := 0.0
		if s.BreakerOpen {
			open = 1
		}
		add(hookOpen, prometheus.GaugeValue, open)
		add(hookOpened, prometheus.CounterValue, float64(s.Opened))
		ch <- prometheus.MustNewConstHistogram(hookSeconds, s.Seconds.Count, s.Seconds.Sum, s.Seconds.Buckets, s.Hook)
	}
}
