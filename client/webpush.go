package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// WebPushSubscription is a Web Push subscription of a user.
type WebPushSubscription struct {
	Name     string // how the states of an escalation name it
	Endpoint string
	Device   string // that made it; "" also if a backend stored it
	Since    time.Time
	Expires  time.Time // as the browser said; zero: it does not
}

// WebPush lists the Web Push subscriptions of a user, oldest first.
func (b *Backend) WebPush(ctx context.Context, user string) (list []WebPushSubscription, err error) {
	var result struct {
		Subscriptions []struct {
			Name, Endpoint, Device string
			Since, Expires         int64
		}
	}
	if err := b.repeat(ctx, call{method: http.MethodGet, path: webPushOf(user), result: &result}); err != nil {
		return nil, err
	}
	for _, sub := range result.Subscriptions {
		entry := WebPushSubscription{Name: sub.Name, Endpoint: sub.Endpoint, Device: sub.Device, Since: time.UnixMilli(sub.Since)}
		if sub.Expires != 0 {
			entry.Expires = time.UnixMilli(sub.Expires)
		}
		list = append(list, entry)
	}
	return list, nil
}

// AddWebPush stores a subscription of a user, in the form that PushSubscription.toJSON() has in
// browsers. One with the same endpoint is replaced.
func (b *Backend) AddWebPush(ctx context.Context, user string, subscription json.RawMessage) error {
	return b.repeat(ctx, call{method: http.MethodPut, path: webPushOf(user), body: subscription})
}

// RemoveWebPush removes the subscription of a user with an endpoint, or all if it is "". It is
// no error if there is none.
func (b *Backend) RemoveWebPush(ctx context.Context, user, endpoint string) error {
	query := url.Values{}
	if endpoint != "" {
		query.Set("endpoint", endpoint)
	}
	return b.repeat(ctx, call{method: http.MethodDelete, path: webPushOf(user), query: query})
}

func webPushOf(user string) string { return resource("v1/users", user, "webpush") }

// VAPIDKey returns the public key with which browsers subscribe to Web Push
// (applicationServerKey). ErrNotFound means that Web Push is off.
func (b *Backend) VAPIDKey(ctx context.Context) (string, error) {
	return b.vapid(ctx, call{method: http.MethodGet})
}

// ImportVAPIDKey replaces the key pair of the server by a private key as PEM or base64url, and
// returns the public key. Browsers have to subscribe again.
func (b *Backend) ImportVAPIDKey(ctx context.Context, key string) (string, error) {
	body, err := json.Marshal(map[string]string{"key": key})
	if err != nil {
		return "", err
	}
	return b.vapid(ctx, call{method: http.MethodPut, body: body})
}

func (b *Backend) vapid(ctx context.Context, c call) (string, error) {
	var result struct{ VAPID string }
	c.path, c.result = "/v1/vapid", &result
	err := b.repeat(ctx, c)
	return result.VAPID, err
}
