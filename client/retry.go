package client

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/wirepost/wirepost/internal/dial"
	"github.com/wirepost/wirepost/internal/wire"
)

// retry decides what follows a connection that ended.
type retry struct {
	newToken     bool // another token may be better
	backoff      backoff
	connected    bool // there was a hello, ever
	unauthorized int  // refusals of the token, one after the other
}

func newRetry(o *Options) *retry {
	return &retry{newToken: o.Token != nil, backoff: backoff{first: o.MinWait, limit: o.MaxWait}}
}

// errRestart says that the connection began at positions of another log: the next one
// begins without them.
var errRestart = errors.New("the server has new data: reconnecting without positions")

// after says whether to connect again, and when.
func (r *retry) after(l *link, err error) (wait time.Duration, again bool) {
	if l.greeted {
		r.connected = true
		if time.Since(l.began) >= r.backoff.first {
			r.backoff.reset()
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
		return r.backoff.next(), true
	}
	if l.greeted {
		r.unauthorized = 0
	}
	if !r.mayRetry(l, err) {
		return 0, false
	}
	if wait = l.retryAfter; wait == 0 {
		wait = r.backoff.next()
	}
	return wait, true
}

func isUnauthorized(err error) bool {
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e.Status == http.StatusUnauthorized && !e.foreign
	}
	e, ok := errors.AsType[*CloseError](err)
	return ok && e.Code == wire.CloseUnauthorized
}

// mayRetry says whether another connection may succeed. A response that is not the
// server's own ends a client only if the server was never reached: the address may be
// wrong. Later it comes from a proxy, and may pass.
func (r *retry) mayRetry(l *link, err error) bool {
	if e, ok := errors.AsType[*RefusedError](err); ok {
		return e.Temporary() || e.foreign && r.connected
	}
	if e, ok := errors.AsType[*CloseError](err); ok {
		return e.MayReconnect() || !l.greeted && e.Code < 4000 && r.connected
	}
	if _, ok := errors.AsType[*dial.HandshakeError](err); ok {
		return r.connected
	}
	if _, ok := errors.AsType[*url.Error](err); ok || errors.Is(err, ErrProtocol) {
		return false
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return r.connected // it may be about to be replaced
	}
	_, store := errors.AsType[*storeError](err)
	return !store
}
