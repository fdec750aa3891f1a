package cluster

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/wirepost/wirepost/engine"
)

const (
	// announceTopic is the topic of the Bus on which nodes announce their state.
	announceTopic = "node"
	// announceEvery is the time between two announcements of a node. It also announces
	// each change of its state.
	announceEvery = time.Second
	// silentAfter is the time without an announcement after which a node is unreachable.
	silentAfter = 3 * time.Second
)

// announcement is what a node says about itself. It is encoded as JSON, so that nodes of
// different versions understand each other.
type announcement struct {
	Node        string           `json:"node"`
	Run         string           `json:"run"` // differs each time the node starts
	State       engine.NodeState `json:"state"`
	Reason      string           `json:"reason,omitempty"`
	Positions   map[int]uint64   `json:"positions,omitempty"`
	LagMs       int64            `json:"lag_ms,omitempty"`
	Connections int              `json:"connections,omitempty"`
	Version     string           `json:"version,omitempty"`
	URL         string           `json:"url,omitempty"`
}

func (a *announcement) describe() engine.Node {
	return engine.Node{
		Name: a.Node, State: a.State, Reason: a.Reason, Positions: a.Positions,
		Lag: time.Duration(a.LagMs) * time.Millisecond, Connections: a.Connections, Version: a.Version, URL: a.URL,
	}
}

func (p proposer) String() string { return hex.EncodeToString(p[:]) }

// announceAll announces this node until the engine is closed.
func (e *Engine) announceAll() {
	ticker := time.NewTicker(announceEvery)
	defer ticker.Stop()
	for {
		self := e.self()
		e.announce(&self)
		select {
		case <-ticker.C:
		case <-e.changed:
		case <-e.ctx.Done():
			self := e.self()
			self.State, self.Reason = engine.NodeStopped, "it was shut down"
			e.announce(&self)
			return
		}
	}
}

// announceTimeout limits the time of an announcement.
const announceTimeout = time.Second

func (e *Engine) announce(self *announcement) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), announceTimeout)
	defer cancel()
	data, err := json.Marshal(self)
	if err == nil {
		err = e.bus.Publish(ctx, announceTopic, data)
	}
	if err != nil && e.ctx.Err() == nil {
		e.logger.Debug("cannot announce this node", "error", err)
	}
}

// poke makes the node announce itself, because its state has changed.
func (e *Engine) poke() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// heard takes an announcement from the Bus.
func (e *Engine) heard(data []byte) []byte {
	var a announcement
	if err := json.Unmarshal(data, &a); err != nil || a.Node == "" {
		e.logger.Warn("a node announces itself in an unknown form", "error", err)
		return nil
	}
	if a.Run == e.proposer.String() {
		return nil
	}
	e.nodes.heard(&a)
	for _, s := range e.shards {
		s.heard(a.Positions[s.number])
	}
	return nil
}
