// Package gateway turns HTTP requests into sessions: it checks whether a request may
// connect, authenticates it, and parses the requested channels and positions. It serves
// WebSockets, event streams, polls and echoes; the connection is then handled by
// package session.
package gateway

import (
	"sync"
	"sync/atomic"

	"github.com/wirepost/wirepost/internal/count"
	"github.com/wirepost/wirepost/internal/origin"
	"github.com/wirepost/wirepost/internal/session"
)

// Gateway accepts the clients of a server. It is safe for concurrent use.
type Gateway struct {
	config   Config
	host     *session.Host
	origins  origin.Patterns
	limits   *limits
	loops    []*session.Loop
	nextLoop atomic.Uint32

	draining  atomic.Bool
	echoes    echoes
	responses atomic.Int64 // requests whose response is written by a session
	wrappers  sync.Map     // types of the ResponseWriters already logged, see needs
}

// pickLoop distributes sessions over the loops.
func (g *Gateway) pickLoop() *session.Loop {
	return g.loops[int(g.nextLoop.Add(1))%len(g.loops)]
}

// Drain closes every echo. From then on no request is accepted.
func (g *Gateway) Drain() {
	g.draining.Store(true)
	g.echoes.retire()
}

// Open is the number of open echoes and responses.
func (g *Gateway) Open() int { return g.echoes.len() + int(g.responses.Load()) }

// Responses is the number of requests whose response is written by a session.
func (g *Gateway) Responses() int { return int(g.responses.Load()) }

// Turns are the durations of the turns of each loop.
func (g *Gateway) Turns() []count.Snapshot {
	all := make([]count.Snapshot, len(g.loops))
	for i, l := range g.loops {
		all[i] = l.Turns()
	}
	return all
}

// Close closes the loops and the connections that are still open.
func (g *Gateway) Close() {
	for _, l := range g.loops {
		l.Close()
	}
}
