package wirepost_test

import (
	"log/slog"
	"slices"
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

// A policy that has no effect on inboxes or on all is reported, unless its pattern matches other
// channels, too.
func TestPoliciesWithoutEffect(t *testing.T) {
	t.Parallel()
	const presence, subscribe, publish = "inboxes have no presence", "who subscribes to inboxes and all is fixed", "no client publishes to all"
	for _, tt := range []struct {
		policy wirepost.Policy
		want   []string // in the log
	}{
		{wirepost.Policy{Pattern: "user:*", Presence: true}, []string{presence}},
		{wirepost.Policy{Pattern: "user:42", Presence: true, Subscribe: wirepost.AccessAnyone}, []string{presence, subscribe}},
		{wirepost.Policy{Pattern: "user:*", Subscribe: wirepost.AccessBackendOnly}, []string{subscribe}},
		{wirepost.Policy{Pattern: "all", Subscribe: wirepost.AccessAnyone, Publish: wirepost.AccessAnyone}, []string{subscribe, publish}},
		{wirepost.Policy{Pattern: "all", Presence: true, Subscribe: wirepost.AccessByToken, Publish: wirepost.AccessBackendOnly}, nil},
		{wirepost.Policy{Pattern: "user:*", Subscribe: wirepost.AccessByToken, Publish: wirepost.AccessAnyone}, nil},
		{wirepost.Policy{Pattern: "*", Presence: true, Subscribe: wirepost.AccessAnyone, Publish: wirepost.AccessAnyone}, nil},
		{wirepost.Policy{Pattern: "us*", Presence: true, Subscribe: wirepost.AccessAnyone}, nil},
	} {
		var log lockedBuffer
		newNode(t, func(o *wirepost.Options) {
			o.Channels, o.Logger = []wirepost.Policy{tt.policy}, slog.New(slog.NewTextHandler(&log, nil))
		})
		for _, reason := range []string{presence, subscribe, publish} {
			if got, want := strings.Contains(log.String(), reason), slices.Contains(tt.want, reason); got != want {
				t.Errorf("%+v: %q is in the log: %v, want %v", tt.policy, reason, got, want)
			}
		}
	}
}
