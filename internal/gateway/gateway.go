// Package gateway turns HTTP requests into sessions: whether a request may connect,
// who sends it, what it asks for, and where its subscriptions begin. WebSockets,
// streams of events, polls and echoes come in here; what follows is the session's.
package gateway

import (
	"sync"
	"sync/atomic"

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
	responses atomic.Int64 // requests that are answered by a session
	wrappers  sync.Map     // of the ResponseWriters that were logged, see needs
}

// pickLoop spreads sessions over the loops.
func (g *Gateway) pickLoop() *session.Loop {
	return g.loops[int(g.nextLoop.Add(1))%len(g.loops)]
}

// Drain has every echo closed. From now on no request is accepted.
func (g *Gateway) Drain() {
	g.draining.Store(true)
	g.echoes.retire()
}

// Open is how many echoes and responses there still are.
func (g *Gateway) Open() int { return g.echoes.len() + int(g.responses.Load()) }

// Responses is how many requests are answered by a session.
func (g *Gateway) Responses() int { return int(g.responses.Load()) }

// Close ends the loops, and cuts the connections that are still open.
func (g *Gateway) Close() {
	for _, l := range g.loops {
		l.Close()
	}
}
