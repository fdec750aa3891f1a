package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	UpMs        int64            `json:"up_ms"`
	State       engine.NodeState `json:"state"`
	Reason      string           `json:"reason,omitempty"`
	Positions   map[int]uint64   `json:"positions,omitempty"`
	Generations map[int]uint64   `json:"generations,omitempty"` // of the shards' logs, where it is not 0
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
	if a.Node == e.node {
		e.heardOwn(&a)
		return nil
	}
	e.nodes.heard(&a)
	for _, s := range e.shards {
		s.heard(a.Node, a.Positions[s.number], a.Generations[s.number])
	}
	return nil
}

// ErrNameTaken says that another node has the same name.
var ErrNameTaken = errors.New("another node of the cluster has the same name")

// nameTopic is the topic on which a node responds to requests for its name.
func nameTopic(node string) string { return announceTopic + "." + node }

// nameTimeout is how long a node waits for another one with its name, when it starts.
const nameTimeout = time.Second

// claim returns an error if a node with this name is alive, and has this node respond from
// now on.
func (e *Engine) claim(ctx context.Context) (stop func(), err error) {
	ask, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	if data, err := e.bus.Request(ask, nameTopic(e.node), nil); err == nil {
		var a announcement
		_ = json.Unmarshal(data, &a) // says only where it is
		return nil, fmt.Errorf("%w: %s %s", ErrNameTaken, e.node, a.URL)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return e.bus.Subscribe(nameTopic(e.node), func([]byte) []byte {
		self := e.self()
		data, _ := json.Marshal(&self)
		return data
	})
}

// heardOwn takes an announcement with the name of this node. If it comes from another one,
// for example because both were apart when they started, the one that started later stops.
func (e *Engine) heardOwn(a *announcement) {
	if a.Run == e.run || a.State == engine.NodeStopped {
		return
	}
	younger := time.Duration(a.UpMs)*time.Millisecond - time.Since(e.started)
	if younger > 2*announceEvery || younger > -2*announceEvery && e.run > a.Run {
		e.halt(fmt.Errorf("%w: %s %s", ErrNameTaken, a.Node, a.URL))
	}
}

// halt stops all shards for good.
func (e *Engine) halt(err error) {
	e.fatal.Store(&stopError{err})
	for _, s := range e.all() {
		s.refollow()
	}
}
