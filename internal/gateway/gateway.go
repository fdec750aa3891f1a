// Package gateway turns HTTP requests into sessions: whether a request may connect,
// who sends it, what it asks for, and where its subscriptions begin. WebSockets,
// streams of events, polls and echoes come in here; what follows is the session's.
package gateway

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/fault"
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

// Config is what the server's options say of connecting.
type Config struct {
	Hooks
	AllowOrigins []string // as origin.ParsePattern takes them
	Compress     bool     // permessage-deflate, for clients that offer it
	LogRefusals  bool     // at level info
	Loops        int      // event loops

	// 0 is no limit.
	MaxConnections        int
	MaxAddressConnections int
	HandshakeRate         float64 // new connections a second, per address
}

// Hooks are the server's and the application's functions that a gateway calls.
type Hooks struct {
	// Accepting says why clients may not connect, if they may not. That the store takes
	// no writes is no reason: reading goes on.
	Accepting func() error
	// Authenticate says who sends a request. Nil: the request's token does.
	Authenticate func(*http.Request) (access.Identity, error)
	// VerifyToken says whose token it is. May be nil if Authenticate is not.
	VerifyToken func(ctx context.Context, token string) (access.Identity, error)
	// Connect is asked whether a session may begin. May be nil.
	Connect func(*http.Request, session.Info) error
}

// New makes the gateway of a server and starts its loops. The host's Limits and its
// hook Verify become the gateway's.
func New(h *session.Host, c Config) *Gateway {
	g := &Gateway{config: c, host: h, origins: origin.ParsePatterns(c.AllowOrigins), limits: newLimits(&c)}
	h.Limits = g.limits
	if c.VerifyToken != nil {
		h.Hooks.Verify = g.verifyToken
	}
	for range c.Loops {
		g.loops = append(g.loops, session.NewLoop(h))
	}
	return g
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

// ErrDraining refuses work because the server shuts down.
var ErrDraining = &fault.Error{Code: fault.Unavailable, Message: "the server is shutting down", RetryAfter: 2 * time.Second}
