package client

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/wirepost/wirepost/internal/dial"
	"github.com/wirepost/wirepost/internal/wire"
)

// retry decides what follows a connection that ended: another one, when, and to which
// node.
type retry struct {
	newToken bool // another token may be better
	node     int  // of the connection
	rotation *rotation
	minWait  time.Duration

	connected    bool // there was a hello, ever
	unauthorized int  // refusals of the token, one after the other
}

func newRetry(o *Options, nodes int) *retry {
	return &retry{newToken: o.Token != nil, rotation: newRotation(nodes, o.MinWait, o.MaxWait), minWait: o.MinWait}
}

// errRestart says that the connection began at positions of another log: the next one
// begins without them.
var errRestart = errors.New("the server has new data: reconnecting without positions")

// after reports whether to connect again, and when.
func (r *retry) after(l *link, err error) (wait time.Duration, again bool) {
	if l.greeted {
		r.connected = true
		if time.Since(l.began) >= r.minWait {
			r.rotation.reset()
		}
	}
	if errors.Is(err, errRestart) {
		return 0, true
	}
	if isUnauthorized(err) {
		r.unauthorized++
		// A new token is worth one more attempt, or two: one may have expired on the way.
		if !r.newToken || r.unauthorized > 2 {
			return 0, false
		}
		return r.rotation.failed(r.node, 0), true
	}
	if l.greeted {
		r.unauthorized = 0
	}
	if !r.rotation.again(r.mayRetry(l, err), isUnsuitable(err) || closedEarly(l, err)) {
		return 0, false
	}
	return r.move(l, err), true
}

// move chooses the next node. When a connection ends, all clients of the node are
// disconnected together, so they wait before they connect to others; a node that cannot be
// reached costs no wait while there are others to try.
func (r *retry) move(l *link, err error) (wait time.Duration) {
	pause := r.rotation.failed(r.node, l.retryAfter)
	if stays(err) {
		return pause
	}
	r.node, wait = r.rotation.next((r.node + 1) % len(r.rotation.nodes))
	if l.greeted {
		wait = max(wait, pause)
	}
	return wait
}

func isUnauthorized(err error) bool {
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e.Status == http.StatusUnauthorized && !e.foreign
	}
	e, ok := errors.AsType[*CloseError](err)
	return ok && e.Code == wire.CloseUnauthorized
}

// closedEarly reports whether a connection was closed before its hello by something else than
// a Wirepost server.
func closedEarly(l *link, err error) bool {
	e, ok := errors.AsType[*CloseError](err)
	return ok && !l.greeted && e.Code < 4000
}

// mayRetry reports whether another connection may succeed. A response that is not the
// server's own ends a client only if the server was never reached: the address may be
// wrong. Later it comes from a proxy, and may pass.
func (r *retry) mayRetry(l *link, err error) bool {
	if _, ok := errors.AsType[*tokenError](err); ok {
		return true // also if it is a *url.Error
	}
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e.Temporary() || e.foreign && r.connected
	}
	if e, ok := errors.AsType[*CloseError](err); ok {
		return e.MayReconnect() || closedEarly(l, err) && r.connected
	}
	if _, ok := errors.AsType[*dial.HandshakeError](err); ok {
		return r.connected
	}
	if _, ok := errors.AsType[*url.Error](err); ok || errors.Is(err, ErrProtocol) {
		return false
	}
	if isUntrusted(err) {
		return r.connected // it may be about to be replaced
	}
	_, store := errors.AsType[*storeError](err)
	return !store
}
