// Package access decides what clients may do with channels: by the lists of their
// identity, and by the policies.
package access

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/glob"
	"github.com/wirepost/wirepost/internal/names"
)

// Identity identifies a client and lists its rights.
type Identity struct {
	User   string
	Device string // "": the client chooses
	// Channels the user is a member of while the identity is valid.
	Channels []string
	// Subscribe and Publish list channels, or patterns with *. A leading * does not
	// match inboxes or All.
	Subscribe []string
	Publish   []string
	Expires   time.Time       // zero: never
	Issued    time.Time       // when the token was issued; zero: no token
	Refresh   bool            // the application is asked for the next identity before this one expires
	Data      any             // set by the application
	Info      json.RawMessage // what other clients are told of the user; see CompactInfo
}

// maxInfo is the largest Info of an identity, in bytes.
const maxInfo = 1 << 10

// CompactInfo returns the Info of an identity without white space; null is none.
func CompactInfo(info json.RawMessage) (json.RawMessage, error) {
	switch {
	case len(info) == 0:
		return nil, nil
	case !json.Valid(info) || !utf8.Valid(info):
		return nil, fault.Field("info", "info is not one JSON value in UTF-8")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, info); err != nil {
		return nil, fault.Field("info", "info: %s", err)
	}
	switch {
	case compact.String() == "null":
		return nil, nil
	case compact.Len() > maxInfo:
		return nil, fault.Field("info", "info has %d bytes of JSON, at most %d are allowed", compact.Len(), maxInfo)
	}
	return compact.Bytes(), nil
}

// Grants reports whether the identity makes the user a member of a channel.
func (id *Identity) Grants(channel string) bool {
	return slices.Contains(id.Channels, channel)
}

// Check refuses invalid identities, and compacts Info.
func (id *Identity) Check(now time.Time) (err error) {
	if err := names.CheckUser(id.User); err != nil {
		return err
	}
	if err := names.CheckDevice(id.Device); err != nil {
		return err
	}
	if id.Info, err = CompactInfo(id.Info); err != nil {
		return err
	}
	for _, channel := range id.Channels {
		if err := names.CheckChannel(channel); err != nil {
			return err
		}
		if user, inbox := names.InboxUser(channel); inbox && user != id.User {
			return fault.Errorf(fault.Unauthorized, "users cannot be members of another user's inbox, %q", channel)
		}
	}
	if !id.Expires.IsZero() && !id.Expires.After(now) {
		return fault.Errorf(fault.Unauthorized, "the token has expired")
	}
	return nil
}

// covers reports whether one of the patterns of an identity matches a channel. A
// pattern that begins with * does not match inboxes or All.
func covers(patterns []string, channel string) bool {
	_, inbox := names.InboxUser(channel)
	for _, p := range patterns {
		if (inbox || channel == names.All) && strings.HasPrefix(p, "*") {
			continue
		}
		if glob.Match(p, channel) {
			return true
		}
	}
	return false
}

// MaySubscribe checks whether a client may subscribe to a channel that it requests, as
// far as tokens and policies decide it: see SubscribeHook. No token and no policy opens
// another user's inbox.
func (ps Policies) MaySubscribe(id *Identity, channel string) error {
	if user, inbox := names.InboxUser(channel); inbox {
		if user == id.User {
			return nil
		}
		return fault.Errorf(fault.Forbidden, "%q is another user's inbox", channel)
	}
	switch rule := ps.Of(channel).Subscribe; {
	case channel == names.All, rule == Anyone, rule == Hook:
		return nil
	case rule == BackendOnly:
		return fault.Errorf(fault.Forbidden, "the policy of %q lets no client subscribe", channel)
	}
	if covers(id.Channels, channel) || covers(id.Subscribe, channel) {
		return nil
	}
	return fault.Errorf(fault.Forbidden, "this client may not subscribe to %q", channel)
}

// SubscribeHook reports whether the application decides about subscriptions to a
// channel.
func (ps Policies) SubscribeHook(channel string) bool {
	_, inbox := names.InboxUser(channel)
	return !inbox && channel != names.All && ps.Of(channel).Subscribe == Hook
}

// PublishHook reports whether the application decides about messages that clients
// publish to a channel.
func (ps Policies) PublishHook(channel string) bool { return ps.Of(channel).Publish == Hook }

// MayPublish checks whether a client may publish to a channel, as far as tokens and
// policies decide it: see PublishHook. No client may publish to All.
func (ps Policies) MayPublish(id *Identity, channel string) error {
	if channel == names.All {
		return fault.Errorf(fault.Forbidden, "clients may not publish to %q", names.All)
	}
	switch ps.Of(channel).Publish {
	case Anyone, Hook:
		return nil
	case BackendOnly:
		return fault.Errorf(fault.Forbidden, "the policy of %q lets no client publish", channel)
	}
	if covers(id.Publish, channel) {
		return nil
	}
	return fault.Errorf(fault.Forbidden, "this client may not publish to %q", channel)
}
