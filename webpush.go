package wirepost

import (
	"context"
	"encoding/json"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/escalation"
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

// hasWebPush reports whether Web Push is on.
func (o *Options) hasWebPush() bool { return o.WebPush.Subject != "" }

// openWebPush makes what sends notifications. It is nil if Web Push is off.
func (s *Server) openWebPush() *webpush.Sender {
	if !s.opts.hasWebPush() {
		return nil
	}
	allow, _ := s.opts.WebPush.check() //nolint:errcheck // New has checked it
	return webpush.New(webpush.Config{
		Subject: s.opts.WebPush.Subject, Allow: allow, Store: s.engine, Now: s.Now, Logger: s.logger,
	})
}

// webPush returns what sends notifications, or nil if Web Push is off.
func (s *Server) webPush() escalation.WebPush {
	if s.pusher == nil {
		return nil
	}
	return s.pusher
}

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

// helloVAPID is the key for the hello of clients; "": there is none.
func (s *Server) helloVAPID() string {
	key, _ := s.VAPIDKey() //nolint:errcheck // then clients are not told
	return key
}

// ImportVAPIDKey replaces the server's key pair, on all nodes of a cluster: by a private key on
// the curve P-256 as PEM, or as base64url, as tools for Web Push write it. Browsers that
// subscribed with the previous key must subscribe again, which the browser client does the
// next time that it connects.
func (s *Server) ImportVAPIDKey(ctx context.Context, key string) error {
	if err := s.checkWebPush(ctx); err != nil {
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
	return s.addWebPush(ctx, userID, "", subscription)
}

func (s *Server) addWebPush(ctx context.Context, userID, device string, subscription json.RawMessage) error {
	if err := s.checkWebPushOf(ctx, userID); err != nil {
		return err
	}
	parsed, err := s.pusher.Parse(subscription)
	if err == nil {
		err = s.host.Users.CatchUp(ctx, userID)
	}
	if err == nil {
		err = s.pusher.Put(ctx, userID, parsed, device)
	}
	return public(err)
}

// RemoveWebPush removes the subscription of a user with an endpoint, or all if it is "". It is
// no error if there is none.
func (s *Server) RemoveWebPush(ctx context.Context, userID, endpoint string) error {
	err := s.checkWebPushOf(ctx, userID)
	if err == nil {
		err = s.host.Users.CatchUp(ctx, userID)
	}
	if err == nil {
		err = s.pusher.Remove(ctx, userID, endpoint)
	}
	return public(err)
}

// WebPush returns the subscriptions of a user, oldest first.
func (s *Server) WebPush(ctx context.Context, userID string) ([]WebPushSubscription, error) {
	if err := s.checkWebPushOf(ctx, userID); err != nil {
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

var errNoWebPush = Errorf(CodeNotFound, "Web Push is off on this server")

func (s *Server) checkWebPush(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return AsError(err)
	}
	if s.pusher == nil {
		return errNoWebPush
	}
	return nil
}

func (s *Server) checkWebPushOf(ctx context.Context, userID string) error {
	if err := s.checkWebPush(ctx); err != nil {
		return err
	}
	return CheckUser(userID)
}

// webPushCommand is what a client asks for with a webpush frame.
func (s *Server) webPushCommand(ctx context.Context, userID, device string, subscription json.RawMessage, endpoint string) error {
	if subscription == nil {
		return internalError(s.RemoveWebPush(ctx, userID, endpoint))
	}
	return internalError(s.addWebPush(ctx, userID, device, subscription))
}

// WebPushStats are the counters of Web Push on this node.
type WebPushStats struct {
	Requests map[string]uint64 // to push services, by status, or "no_response" or "forbidden" (an address that is not public)
	Removed  map[string]uint64 // subscriptions, by reason: "gone", "expired", "key" or "displaced"
}

func (s *Server) webPushStats() WebPushStats {
	if s.pusher == nil {
		return WebPushStats{}
	}
	return WebPushStats(s.pusher.Stats())
}
