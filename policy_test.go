package wirepost_test

import (
	"context"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

// TestPoliciesThatNeverApply: New refuses a policy that an earlier one hides.
func TestPoliciesThatNeverApply(t *testing.T) {
	t.Parallel()
	for _, patterns := range [][]string{{"*", "room:*"}, {"room:*", "a", "room:*"}, {"room:*", "room:1"}, {"a", "*", "*"}} {
		o := wirepost.Options{Authenticate: byQuery}
		for _, p := range patterns {
			o.Channels = append(o.Channels, wirepost.Policy{Pattern: p})
		}
		_, err := wirepost.New(o)
		wantOption(t, err, "Channels")
		if last := patterns[len(patterns)-1]; err == nil || !strings.Contains(err.Error(), `("`+last+`") never applies`) {
			t.Errorf("%q: %v", patterns, err)
		}
	}
	newNode(t, func(o *wirepost.Options) {
		o.Channels = []wirepost.Policy{{Pattern: "room:1"}, {Pattern: "room:*"}, {Pattern: "*:1"}, {Pattern: "*"}}
	})
}

// TestPoliciesWithoutEffect: New refuses what a policy of inboxes or of all cannot have; a
// pattern that matches other channels too may have it.
func TestPoliciesWithoutEffect(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		policy wirepost.Policy
		want   string // of the error; "": there is none
	}{
		{wirepost.Policy{Pattern: "user:*", Presence: true}, "presence has no effect on inboxes"},
		{wirepost.Policy{Pattern: "user:42", Presence: true}, "presence has no effect on inboxes"},
		{wirepost.Policy{Pattern: "user:*", Subscribe: wirepost.AccessAnyone}, "subscribe: anyone has no effect on inboxes"},
		{wirepost.Policy{Pattern: "user:*", Subscribe: wirepost.AccessBackendOnly}, "subscribe: backend has no effect on inboxes"},
		{wirepost.Policy{Pattern: "all", Subscribe: wirepost.AccessHook}, `subscribe: hook has no effect on "all"`},
		{wirepost.Policy{Pattern: "all", Publish: wirepost.AccessAnyone}, `publish: anyone has no effect on "all"`},
		{wirepost.Policy{Pattern: "all", Publish: wirepost.AccessHook}, `publish: hook has no effect on "all"`},
		{wirepost.Policy{Pattern: "all", Presence: true, Subscribe: wirepost.AccessByToken, Publish: wirepost.AccessBackendOnly}, ""},
		{wirepost.Policy{Pattern: "user:*", Subscribe: wirepost.AccessByToken, Publish: wirepost.AccessAnyone}, ""},
		{wirepost.Policy{Pattern: "*", Presence: true, Subscribe: wirepost.AccessAnyone, Publish: wirepost.AccessAnyone}, ""},
		{wirepost.Policy{Pattern: "us*", Presence: true, Subscribe: wirepost.AccessAnyone}, ""},
	} {
		if tt.want == "" {
			newNode(t, func(o *wirepost.Options) { o.Channels = []wirepost.Policy{tt.policy} })
			continue
		}
		_, err := wirepost.New(wirepost.Options{
			Authenticate: byQuery, Channels: []wirepost.Policy{tt.policy},
			OnSubscribe: func(context.Context, wirepost.Session, string) error { return nil },
			OnPublish:   func(context.Context, wirepost.Session, *wirepost.Push) error { return nil },
		})
		if wantOption(t, err, "Channels"); err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt.policy, err)
		}
	}
}
