// Package nodes exchanges over the bus what the nodes of a cluster say about themselves.
package nodes

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/wirepost/wirepost/engine"
)

const (
	// topic is the topic of the bus on which nodes announce their state.
	topic = "node"
	// Every is the time between two announcements of a node. It also announces each change
	// of its state.
	Every = time.Second
	// SilentAfter is the time without an announcement after which a node is unreachable.
	SilentAfter = 3 * time.Second
	// announceTimeout limits the time of an announcement.
	announceTimeout = time.Second
)

// Announcement is what a node says about itself. It is encoded as JSON, so that nodes of
// different versions understand each other.
type Announcement struct {
	Node        string           `json:"node"`
	Run         string           `json:"run"`   // differs each time the node starts
	UpMs        int64            `json:"up_ms"` // since it joined the cluster, 0 before
	State       engine.NodeState `json:"state"`
	Reason      string           `json:"reason,omitempty"`
	Positions   map[int]uint64   `json:"positions,omitempty"`
	Generations map[int]uint64   `json:"generations,omitempty"` // of the shards' logs, where it is not 0
	Repairing   bool             `json:"repairing,omitempty"`   // the log, at this node
	Empty       bool             `json:"empty,omitempty"`       // it has no data, and waits until the cluster is founded, or for a snapshot
	LagMs       int64            `json:"lag_ms,omitempty"`
	Connections int              `json:"connections,omitempty"`
	Version     string           `json:"version,omitempty"`
	URL         string           `json:"url,omitempty"`
}

// Describe returns what the cluster says of the node.
func (a *Announcement) Describe() engine.Node {
	return engine.Node{
		Name: a.Node, State: a.State, Reason: a.Reason, Positions: a.Positions,
		Lag: time.Duration(a.LagMs) * time.Millisecond, Connections: a.Connections, Version: a.Version, URL: a.URL,
	}
}

// Announcer announces a node.
type Announcer struct {
	bus     engine.Bus
	logger  *slog.Logger
	self    func() Announcement
	changed chan struct{} // cap 1
}

// NewAnnouncer returns an announcer of what self returns.
func NewAnnouncer(bus engine.Bus, logger *slog.Logger, self func() Announcement) *Announcer {
	return &Announcer{bus: bus, logger: logger, self: self, changed: make(chan struct{}, 1)}
}

// Changed makes the node announce itself, because its state has changed.
func (a *Announcer) Changed() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// Run announces the node until ctx is done.
func (a *Announcer) Run(ctx context.Context) {
	ticker := time.NewTicker(Every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		self := a.self()
		a.Announce(ctx, &self)
		select {
		case <-ticker.C:
		case <-a.changed:
		case <-ctx.Done():
		}
	}
}

// Announce makes one announcement, also when ctx is done.
func (a *Announcer) Announce(ctx context.Context, self *Announcement) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), announceTimeout)
	defer cancel()
	data, err := json.Marshal(self)
	if err == nil {
		err = a.bus.Publish(limited, topic, data)
	}
	if err != nil && ctx.Err() == nil {
		a.logger.Debug("cannot announce this node", "error", err)
	}
}

// Listen calls heard with the announcements of all nodes, those of this one included, until
// stop is called.
func (a *Announcer) Listen(heard func(*Announcement)) (stop func(), err error) {
	return a.bus.Subscribe(topic, func(data []byte) []byte {
		var n Announcement
		if err := json.Unmarshal(data, &n); err != nil || n.Node == "" {
			a.logger.Warn("a node announces itself in an unknown form", "error", err)
			return nil
		}
		heard(&n)
		return nil
	})
}
