package gateway

import (
	"net/http"
	"net/url"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/callback"
	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/conn"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/user"
	"github.com/wirepost/wirepost/internal/wire"
)

// ServeHTTP upgrades a request to a client connection with the protocol in
// docs/protocol.md. Every refusal is a plain HTTP error, before the upgrade.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.Receive(w, r, nil) }

// Receive is ServeHTTP with an optional receiver for the messages of a plain session.
func (g *Gateway) Receive(w http.ResponseWriter, r *http.Request, to session.Receiver) {
	mode := codec.Plain
	if offers(r, wire.ProtocolV1) {
		mode = codec.V1
	}
	var a admitted
	err := g.checkUpgrade(w, r)
	if err == nil {
		a, err = g.admit(r, mode, to)
	}
	if err != nil {
		g.refuseUpgrade(w, r, err)
		return
	}
	err = errNotUpgraded // kept if upgrade panics, as a wrapper of w may
	defer func() {
		if err != nil {
			a.session.Abandon(err)
		}
	}()
	err = g.upgrade(w, r, g.protocolName(r, mode, a.protocol), a.loop, func(c conn.Conn) conn.Handler {
		a.session.Attach(c, a.hello)
		return a.session
	})
}

var errNotUpgraded = fault.Errorf(fault.Internal, "the connection was not upgraded")

// admitted is a session made for a request.
type admitted struct {
	session  *session.Session
	loop     *session.Loop
	protocol uint8 // as in session.Plan
	hello    []byte
}

// admit makes the session that a request asks for, or returns the refusal. Its steps
// are called one after the other from here, not from each other, so that the
// application's callbacks run with most of a small stack still free. Their results are
// collected in the plan.
func (g *Gateway) admit(r *http.Request, m codec.Mode, to session.Receiver) (a admitted, err error) {
	from := session.ParseAddress(r.RemoteAddr)
	if err := g.limits.enter(from); err != nil {
		return a, err // before a token is verified, or anything read
	}
	g.host.Jobs.Add(1) // Shutdown waits for the callbacks below as for others
	defer g.host.Jobs.Add(-1)
	var query url.Values
	var identity *access.Identity
	var plan *session.Plan
	var u *user.User
	id := names.NewConnectionID()
	if g.config.Authenticate != nil {
		r = r.WithContext(withConnecting(r.Context(), id, m))
	}
	err = g.config.Accepting()
	if err == nil {
		query, err = parseQuery(r)
	}
	if err == nil {
		identity, err = g.authenticate(r, query)
	}
	if err == nil {
		plan, err = g.plan(r, from, id, m, query, identity)
	}
	if err == nil && m == codec.Plain {
		plan.Receiver = to
	}
	if err == nil {
		u, err = g.host.Users.Acquire(r.Context(), identity.User)
	}
	if err != nil {
		g.limits.Leave(from)
		g.limits.Close(from)
		return a, err
	}
	// From here on the session owns these resources, and releases them when it ends.
	l := g.pickLoop()
	ses := session.New(l, u, plan)
	err = ses.CheckRequested(r.Context(), plan)
	if err == nil {
		err = ses.Register()
	}
	if err == nil && g.config.Connect != nil {
		err = g.askApplication(r, plan)
	}
	if err == nil {
		ses.Accept()
		err = g.host.AskSubscribe(r.Context(), plan.Info(g.host), plan.Requested)
	}
	if err == nil {
		err = g.config.Accepting() // the callbacks may have taken longer than Shutdown
	}
	if err == nil {
		a.hello, err = ses.Begin(r.Context(), plan)
	}
	if err == nil {
		err = g.config.Accepting() // Shutdown may have listed the user's sessions before this one was registered
	}
	if err == nil {
		err = ses.CheckRevoked() // the callbacks may have taken a long time
	}
	if err == nil {
		ses.Admit()
	} else {
		ses.Abandon(err)
	}
	u.Unpin() // the session keeps the reference, and does not need the state while it is idle
	a.session, a.loop, a.protocol = ses, l, plan.Protocol
	return a, err
}

// askApplication asks the application whether a session may begin. If it is accepted,
// OnDisconnect will be called in any case.
func (g *Gateway) askApplication(r *http.Request, p *session.Plan) (err error) {
	info := p.Info(g.host)
	if p := callback.Guard(g.host.Logger, "OnConnect", info.User, func() { err = g.config.Connect(r, info) }); p != nil {
		return p
	}
	return g.refusal(r.Context(), "OnConnect", err)
}
