package wirepost

import (
	"context"
	"encoding/json"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/webpush"
)

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
