package webpush

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/count"
)

// MaxSubscriptions is how many subscriptions a user has at most. A further one replaces the
// oldest: browsers make new ones now and then, and the old ones are of no use then.
const MaxSubscriptions = 32

// Subscriptions are the subscriptions of users. It is safe for concurrent use.
type Subscriptions struct {
	users   engine.Users
	allow   *Exceptions
	now     func() time.Time
	removed *count.ByLabel
}

// The reasons for which subscriptions are removed, besides those of who asks for it.
const (
	removedGone      = "gone"      // the push service says so
	removedExpired   = "expired"   // the browser said so
	removedKey       = "key"       // it was made for another key pair
	removedDisplaced = "displaced" // by a newer one
)

// Put stores a subscription of a user. One with the same endpoint is replaced.
func (s *Subscriptions) Put(ctx context.Context, user string, sub engine.PushSubscription, device string) error {
	stored, err := s.users.Load(ctx, user)
	if err != nil {
		return err
	}
	sub.Device, sub.Since = device, s.now().UnixMilli()
	others := slices.DeleteFunc(stored.PushSubscriptions, func(other engine.PushSubscription) bool { return other.Endpoint == sub.Endpoint })
	slices.SortFunc(others, byAge)
	up := engine.Update{User: user, PushSubscriptions: []engine.PushSubscription{sub}}
	for len(others)-len(up.RemovePushSubscriptions) >= MaxSubscriptions {
		up.RemovePushSubscriptions = append(up.RemovePushSubscriptions, others[len(up.RemovePushSubscriptions)].Endpoint)
		s.removed.Add(removedDisplaced)
	}
	return s.users.Save(ctx, []engine.Update{up}, true)
}

func byAge(a, b engine.PushSubscription) int {
	return cmp.Or(cmp.Compare(a.Since, b.Since), strings.Compare(a.Endpoint, b.Endpoint))
}

// List returns the subscriptions of a user that have not expired, oldest first. Those that
// have are removed.
func (s *Subscriptions) List(ctx context.Context, user string) ([]engine.PushSubscription, error) {
	stored, err := s.users.Load(ctx, user)
	if err != nil {
		return nil, err
	}
	now := s.now().UnixMilli()
	list := stored.PushSubscriptions
	var expired []string
	list = slices.DeleteFunc(list, func(sub engine.PushSubscription) bool {
		if sub.Expires == 0 || sub.Expires > now {
			return false
		}
		expired = append(expired, sub.Endpoint)
		return true
	})
	slices.SortFunc(list, byAge)
	return list, s.drop(ctx, user, removedExpired, expired...)
}

// Remove removes the subscription with an endpoint, or all of a user if it is "". If there is
// none, nothing is changed.
func (s *Subscriptions) Remove(ctx context.Context, user, endpoint string) error {
	endpoints := []string{endpoint}
	if endpoint == "" {
		stored, err := s.users.Load(ctx, user)
		if err != nil {
			return err
		}
		endpoints = nil
		for _, sub := range stored.PushSubscriptions {
			endpoints = append(endpoints, sub.Endpoint)
		}
	}
	return s.remove(ctx, user, endpoints)
}

// drop removes subscriptions that are of no use any more.
func (s *Subscriptions) drop(ctx context.Context, user, reason string, endpoints ...string) error {
	for range endpoints {
		s.removed.Add(reason)
	}
	return s.remove(ctx, user, endpoints)
}

func (s *Subscriptions) remove(ctx context.Context, user string, endpoints []string) error {
	if len(endpoints) == 0 {
		return nil
	}
	return s.users.Save(ctx, []engine.Update{{User: user, RemovePushSubscriptions: endpoints}}, true)
}

// Name is a short name of a subscription that stays the same and does not reveal its
// endpoint: the host of the push service, and a hash.
func Name(endpoint string) string {
	sum := sha256.Sum256([]byte(endpoint))
	name := base32.HexEncoding.EncodeToString(sum[:5])
	u, err := url.Parse(endpoint)
	if err != nil {
		return name
	}
	host := u.Hostname()
	return host[max(0, len(host)-60):] + "/" + name
}
