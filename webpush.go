package wirepost

import (
	"context"
	"encoding/json"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/webpush"
)

// WebPushOptions configures Web Push: notifications of browsers by the push services of their
// vendors (RFC 8030), for the steps of an escalation that go ViaWebPush. The zero value turns it
// off. The server's key pair (RFC 8292) is made when it is needed first, and kept in the
// engine.
type WebPushOptions struct {
	// Subject is a mailto: or https: URL at which a push service can reach the operator.
	// It turns Web Push on.
	Subject string
	// Allow lists host names, addresses and networks (CIDR) that the endpoints of
	// subscriptions may have although they are not public. Any other endpoint is refused
	// unless it is https and has a public address whenever it is connected to: clients choose
	// the endpoints, and must not make the server send requests into its own network.
	Allow []string
	// AllowLoopback allows endpoints on this machine, also over http, for development.
	AllowLoopback bool
}

// check returns the exceptions, if the options are valid.
func (o *WebPushOptions) check() (webpush.Exceptions, error) {
	allow, err := webpush.ParseExceptions(o.Allow)
	if err != nil {
		return allow, optionError("WebPush.Allow", "%s", err)
	}
	allow.Loopback = o.AllowLoopback
	if o.Subject == "" {
		return allow, nil
	}
	if err := webpush.CheckSubject(o.Subject); err != nil {
		return allow, optionError("WebPush.Subject", "%s", err)
	}
	return allow, nil
}

// on reports whether Web Push is on.
func (o *WebPushOptions) on() bool { return o.Subject != "" }

// WebPushSubscription is a Web Push subscription of a user.
type WebPushSubscription struct {
	// Name is how the states of an escalation name it: the host of the push service and a hash.
	Name     string
	Endpoint string
	Device   string // that made it; "" also if a backend stored it
	Since    time.Time
	Expires  time.Time // as the browser said; zero: it does not
}

// MaxWebPush is how many subscriptions a user has at most. A further one replaces the oldest.
const MaxWebPush = webpush.MaxSubscriptions

// VAPIDKey returns the public key with which browsers subscribe (applicationServerKey), as
// base64url. The error is ErrNotFound if Web Push is off, and ErrUnavailable while the key pair
// cannot be read or stored.
func (s *Server) VAPIDKey() (string, error) {
	if s.pusher == nil {
		return "", errNoWebPush
	}
	key := s.pusher.Public()
	if key == "" {
		return "", Errorf(CodeUnavailable, "the key pair of Web Push could not be read or stored yet")
	}
	return key, nil
}

// ImportVAPIDKey replaces the server's key pair, on all nodes of a cluster: by a private key on
// the curve P-256 as PEM, or as base64url, as tools for Web Push write it. Browsers that
// subscribed with the previous key must subscribe again, which the browser client does the
// next time that it connects.
func (s *Server) ImportVAPIDKey(ctx context.Context, key string) error {
	if err := s.pusher.check(ctx); err != nil {
		return err
	}
	pair, err := webpush.ParseKeyPair(key)
	if err != nil {
		return fieldError("key", "%s", err)
	}
	return public(s.pusher.Import(ctx, pair))
}

// AddWebPush stores a subscription of a user, in the form of PushSubscription.toJSON() in
// browsers. One with the same endpoint is replaced. It is durable on return.
func (s *Server) AddWebPush(ctx context.Context, userID string, subscription json.RawMessage) error {
	return s.pusher.add(ctx, userID, "", subscription)
}

// RemoveWebPush removes the subscription of a user with an endpoint, or all if it is "". It is
// no error if there is none.
func (s *Server) RemoveWebPush(ctx context.Context, userID, endpoint string) error {
	return s.pusher.remove(ctx, userID, endpoint)
}

// WebPush returns the subscriptions of a user, oldest first.
func (s *Server) WebPush(ctx context.Context, userID string) ([]WebPushSubscription, error) {
	if err := s.pusher.checkUser(ctx, userID); err != nil {
		return nil, err
	}
	stored, err := s.pusher.List(ctx, userID)
	if err != nil {
		return nil, public(err)
	}
	list := make([]WebPushSubscription, len(stored))
	for i := range stored {
		list[i] = newWebPushSubscription(&stored[i])
	}
	return list, nil
}

func newWebPushSubscription(sub *engine.PushSubscription) WebPushSubscription {
	out := WebPushSubscription{
		Name: webpush.Name(sub.Endpoint), Endpoint: sub.Endpoint, Device: sub.Device, Since: time.UnixMilli(sub.Since),
	}
	if sub.Expires != 0 {
		out.Expires = time.UnixMilli(sub.Expires)
	}
	return out
}
