package jetstream_test

import (
	"context"
	"errors"
	"testing"

	"github.com/wirepost/wirepost/engine/cluster/jetstream"
)

// TestElected: what waits for the response of a leader that was replaced does not wait
// longer.
func TestElected(t *testing.T) {
	t.Parallel()
	l := sharedTrio(t).open(t, 0, "elected", 1)
	// Somebody takes the entries, and nobody responds.
	taken := make(chan struct{}, 1)
	if err := jetstream.Silence(t.Context(), l, 0, func() { taken <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	proposed := make(chan error)
	go func() { proposed <- l.Propose(t.Context(), 0, []byte("x")) }()
	<-taken
	jetstream.Elected(l, 0)
	if err := <-proposed; !errors.Is(err, jetstream.ErrElected) {
		t.Errorf("the proposal failed with %v", err)
	}

	asked := 0
	err := jetstream.Ask(t.Context(), l, 0, func(ctx context.Context) error {
		if asked++; asked == 1 {
			jetstream.Elected(l, 0)
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return nil
	})
	if err != nil || asked != 2 {
		t.Errorf("after the election it was asked %d times: %v", asked, err)
	}
}
