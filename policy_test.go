package wirepost_test

import (
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
