package wirepost_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

// TestPushAllNamesThePush: the error says which push of the batch was invalid.
func TestPushAllNamesThePush(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	good := wirepost.Push{To: "a", Data: []byte("1")}
	for field, bad := range map[string]wirepost.Push{
		"to":   {To: "a b", Data: []byte("1")},
		"data": {To: "a", Data: []byte("{")},
		"key":  {To: "a", Data: []byte("1"), Key: "\n"},
	} {
		_, err := n.PushAll(t.Context(), []wirepost.Push{good, good, bad, good})
		e, ok := errors.AsType[*wirepost.Error](err)
		if !ok || e.Field != field || !errors.Is(err, wirepost.ErrBadRequest) ||
			!strings.HasPrefix(err.Error(), "pushes[2]: bad_request: "+field+": ") {
			t.Errorf("%s: %v", field, err)
		}
	}
}
