package gateway

import (
	"github.com/wirepost/wirepost/internal/origin"
	"github.com/wirepost/wirepost/internal/session"
)

// New makes the gateway of a server and starts its loops. It sets the host's Limits and
// its hooks Verify and Refresh.
func New(h *session.Host, c Config) *Gateway {
	g := &Gateway{config: c, host: h, origins: origin.ParsePatterns(c.AllowOrigins), limits: newLimits(&c)}
	h.Limits = g.limits
	if c.VerifyToken != nil {
		h.Hooks.Verify = g.verifyToken
	}
	if c.Refresh != nil {
		h.Hooks.Refresh = g.refreshIdentity
	}
	for range c.Loops {
		g.loops = append(g.loops, session.NewLoop(h))
	}
	return g
}
