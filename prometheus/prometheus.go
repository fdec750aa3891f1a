// Package prometheus exports the metrics of a Wirepost server to Prometheus.
package prometheus

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wirepost/wirepost"
)

// Source provides the metrics: a *wirepost.Server.
type Source interface {
	Metrics() wirepost.Metrics
}

// NewCollector returns a collector to register with a Prometheus registry. Names and
// labels are a contract with dashboards.
func NewCollector(s Source) prometheus.Collector { return collector{s} }

type collector struct{ source Source }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	pushes      = desc("wirepost_pushes_total", "Successful pushes and revocations, including repeats.")
	deliveries  = desc("wirepost_deliveries_total", "Messages written to connections.")
	acks        = desc("wirepost_acks_total", "Messages acknowledged by clients.")
	gaps        = desc("wirepost_gaps_total", "Gaps that clients resumed after.")
	readErrors  = desc("wirepost_read_errors_total", "Failed reads of messages from the store.")
	clockJumps  = desc("wirepost_clock_jumps_total", "Jumps of the system clock by more than a minute.")
	closes      = desc("wirepost_closes_total", "Closed connections, by close code.", "code")
	refused     = desc("wirepost_refused_total", "Refused connections and messages, and sessions closed for sending too much, by reason.", "reason")
	appends     = desc("wirepost_append_seconds", "Duration of storing a batch of messages, in seconds.")
	turns       = desc("wirepost_turn_seconds", "Duration of the turns of an event loop, in seconds: how long its other connections wait.", "loop")
	connections = desc("wirepost_connections", "Open client connections, without those being closed.")
	users       = desc("wirepost_users", "Users with an open connection.")
	channels    = desc("wirepost_channels", "Channels with a subscriber.")

	clusterLag       = desc("wirepost_cluster_lag_seconds", "How far this node is behind the log of the cluster, in seconds.", "shard")
	clusterPosition  = desc("wirepost_cluster_position", "The position that this node has applied in the log of the cluster.", "shard")
	clusterInFlight  = desc("wirepost_cluster_proposals_in_flight", "Batches that this node has proposed and not yet seen in the log.")
	clusterApply     = desc("wirepost_cluster_apply_seconds", "Duration of applying a batch of the log, in seconds.")
	clusterSnapshots = desc("wirepost_cluster_snapshots_total", "Snapshots of the store taken for nodes that join.")
	clusterMembers   = desc("wirepost_cluster_members", "Nodes of the cluster that this node knows, itself included, by state.", "state")

	scheduledPushed  = desc("wirepost_scheduled_pushed_total", "Scheduled messages that were pushed.")
	escalationSteps  = desc("wirepost_escalation_steps_total", "Steps of escalations, by what they go via and by outcome.", "via", "outcome")
	scheduledExpired = desc("wirepost_scheduled_expired_total", "Scheduled messages that were not pushed, because their time to live had ended.")

	webPushRequests = desc("wirepost_webpush_requests_total", "Requests to push services, by the status of the response, or no_response, or forbidden: an address that is not public.", "status")
	webPushRemoved  = desc("wirepost_webpush_subscriptions_removed_total", "Web Push subscriptions that were removed, by reason: gone, expired, key or displaced.", "reason")

	storeBytes    = desc("wirepost_store_bytes", "Size of the files of the store, in bytes.")
	storeLogBytes = desc("wirepost_store_log_bytes", "Size of the store's log of writes, which is a part of wirepost_store_bytes.")
	storeTables   = desc("wirepost_store_tables", "Tables of the store.")
	storeLevels   = desc("wirepost_store_read_levels", "How many tables a read may have to look into.")
	storeDebt     = desc("wirepost_store_compaction_debt_bytes", "Bytes that the store has to merge, as an estimate.")
	storeSyncs    = desc("wirepost_store_sync_seconds", "Duration of the syncs of the store's log, in seconds.")
	diskFree      = desc("wirepost_disk_free_bytes", "Free bytes on the volume of the store.")
	diskSize      = desc("wirepost_disk_size_bytes", "Size of the volume of the store, in bytes.")

	eventsWritten   = desc("wirepost_events_written_total", "Events written to the log of events.")
	eventsLost      = desc("wirepost_events_lost_total", "Events that could not be written.")
	eventsDelivered = desc("wirepost_events_delivered_total", "Events delivered, by endpoint.", "endpoint")
	eventsRetried   = desc("wirepost_events_retried_total", "Deliveries of events that failed and are tried again, by endpoint.", "endpoint")
	eventsGaps      = desc("wirepost_events_gaps_total", "Gaps of which an endpoint was notified: retention had removed events.", "endpoint")
	eventsLag       = desc("wirepost_events_lag_seconds", "Age of the oldest event that an endpoint was sent and has not accepted; 0 if there is none.", "endpoint")
)

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		pushes, deliveries, acks, gaps, readErrors, clockJumps, closes, refused, appends, turns, connections, users, channels,
		clusterLag, clusterPosition, clusterInFlight, clusterApply, clusterSnapshots, clusterMembers,

		scheduledPushed, scheduledExpired, escalationSteps,
		webPushRequests, webPushRemoved,
		storeBytes, storeLogBytes, storeTables, storeLevels, storeDebt, storeSyncs, diskFree, diskSize,
		eventsWritten, eventsLost, eventsDelivered, eventsRetried, eventsGaps, eventsLag,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	m := c.source.Metrics()
	add := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	for d, n := range map[*prometheus.Desc]uint64{
		pushes: m.Stats.Pushes, deliveries: m.Stats.Deliveries, acks: m.Stats.Acks, gaps: m.Stats.Gaps,
		readErrors: m.ReadErrors, clockJumps: m.ClockJumps,
	} {
		add(d, prometheus.CounterValue, float64(n))
	}
	for d, n := range map[*prometheus.Desc]int{connections: m.Stats.Connections, users: m.Stats.Users, channels: m.Stats.Channels} {
		add(d, prometheus.GaugeValue, float64(n))
	}
	for code, n := range m.Closes {
		add(closes, prometheus.CounterValue, float64(n), code)
	}
	for reason, n := range m.Refused {
		add(refused, prometheus.CounterValue, float64(n), reason)
	}
	add(scheduledPushed, prometheus.CounterValue, float64(m.Scheduled.Pushed))
	add(scheduledExpired, prometheus.CounterValue, float64(m.Scheduled.Expired))
	for _, c := range m.Escalation {
		add(escalationSteps, prometheus.CounterValue, float64(c.Steps), string(c.Via), string(c.Outcome))
	}
	for status, n := range m.WebPush.Requests {
		add(webPushRequests, prometheus.CounterValue, float64(n), status)
	}
	for reason, n := range m.WebPush.Removed {
		add(webPushRemoved, prometheus.CounterValue, float64(n), reason)
	}
	add(eventsWritten, prometheus.CounterValue, float64(m.Events.Written))
	add(eventsLost, prometheus.CounterValue, float64(m.Events.Lost))
	for _, r := range m.Events.Readers {
		add(eventsDelivered, prometheus.CounterValue, float64(r.Delivered), r.Target)
		add(eventsRetried, prometheus.CounterValue, float64(r.Retried), r.Target)
		add(eventsGaps, prometheus.CounterValue, float64(r.Gaps), r.Target)
		add(eventsLag, prometheus.GaugeValue, r.Lag.Seconds(), r.Target)
	}
	h := m.AppendSeconds
	ch <- prometheus.MustNewConstHistogram(appends, h.Count, h.Sum, h.Buckets)
	for loop, h := range m.TurnSeconds {
		ch <- prometheus.MustNewConstHistogram(turns, h.Count, h.Sum, h.Buckets, strconv.Itoa(loop))
	}
	if m.Cluster != nil {
		collectCluster(ch, m.Cluster)
	}
	if m.Store != nil {
		collectStore(ch, m.Store)
	}
}

// collectCluster adds the metrics of a node.
func collectCluster(ch chan<- prometheus.Metric, m *wirepost.ClusterMetrics) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for number, s := range m.Shards {
		gauge(clusterLag, s.Lag.Seconds(), strconv.Itoa(number))
		gauge(clusterPosition, float64(s.Position), strconv.Itoa(number))
	}
	gauge(clusterInFlight, float64(m.InFlight))
	for state, n := range m.Members {
		gauge(clusterMembers, float64(n), string(state))
	}
	ch <- prometheus.MustNewConstMetric(clusterSnapshots, prometheus.CounterValue, float64(m.Snapshots))
	ch <- prometheus.MustNewConstHistogram(clusterApply, m.Apply.Count, m.Apply.Sum, m.Apply.Buckets)
}

// collectStore adds the metrics of a store that has files.
func collectStore(ch chan<- prometheus.Metric, s *wirepost.StoreStats) {
	gauge := func(d *prometheus.Desc, value uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value))
	}
	gauge(storeBytes, s.Bytes)
	gauge(storeLogBytes, s.LogBytes)
	gauge(storeTables, s.Tables)
	gauge(storeLevels, uint64(s.ReadLevels))
	gauge(storeDebt, s.CompactionDebt)
	if s.DiskSize > 0 {
		gauge(diskFree, s.DiskFree)
		gauge(diskSize, s.DiskSize)
	}
	ch <- prometheus.MustNewConstHistogram(storeSyncs, s.Syncs.Count, s.Syncs.Sum, s.Syncs.Buckets)
}
