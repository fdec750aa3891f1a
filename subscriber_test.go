package wirepost_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

func TestSubscribeGivesStoredMessagesAndThenLiveOnes(t *testing.T) {
	t.Parallel()
	const stored, live = 700, 300 // more than a page
	n := newNode(t)
	for i := range stored {
		n.json("news", fmt.Sprint(i))
	}
	next := 100
	for m, err := range n.Subscribe(t.Context(), "news", 100) {
		if err != nil {
			t.Fatal(err)
		}
		if string(m.Data) != fmt.Sprint(next) {
			t.Fatalf("got %s, want %d", m.Data, next)
		}
		if next == stored-1 {
			if online := n.json("news", fmt.Sprint(stored)).Online; online != 0 {
				t.Errorf("a subscriber inside the program counts as %d connections", online)
			}
			go func() {
				for i := stored + 1; i < stored+live; i++ {
					n.json("news", fmt.Sprint(i))
				}
			}()
		}
		if next++; next == stored+live {
			break
		}
	}
	eventually(t, "the feed is gone", func() bool { return n.Feeds() == 0 })
}

func TestSubscribeReportsGapsAndSkipsRevokedMessages(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for i := range 5 {
		n.json("news", fmt.Sprint(i))
	}
	if err := n.Empty(t.Context(), "news"); err != nil {
		t.Fatal(err)
	}
	revoked := n.json("news", `"revoked"`)
	if _, err := n.Revoke(t.Context(), "news", revoked.Seq); err != nil {
		t.Fatal(err)
	}
	kept := n.json("news", `"kept"`)
	var gap *wirepost.GapError
	for m, err := range n.Subscribe(t.Context(), "news", 2) {
		if errors.As(err, &gap) {
			continue
		}
		if err != nil || m.Seq != kept.Seq {
			t.Fatalf("got %s, %v", m.Data, err)
		}
		break
	}
	if gap == nil || gap.After != 2 || gap.ResumedAt != kept.Seq {
		t.Errorf("the gap is %v", gap)
	}
}

func TestSubscribeEnds(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n.json("news", `1`)
	var last error
	for _, err := range n.Subscribe(ctx, "news", 0) {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("with its context it ends with %v", last)
	}
	for _, err := range n.Subscribe(t.Context(), "no news", 0) {
		last = err
	}
	if wirepost.AsError(last).Code != wirepost.CodeBadRequest {
		t.Errorf("the error for an invalid name is %v", last)
	}
	for _, err := range n.Subscribe(t.Context(), "news", 0) {
		if last = err; err == nil {
			go n.stop()
		}
	}
	if wirepost.AsError(last).Code != wirepost.CodeUnavailable {
		t.Errorf("with the server it ends with %v", last)
	}
}

func TestSubscribeAfterTheHeadStartsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t)
		n.json("news", `1`)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		next, stop := iter.Pull2(n.Subscribe(ctx, "news", math.MaxUint64))
		defer stop()
		// The subscription begins with the first call of next, and now is when that waits.
		time.AfterFunc(time.Millisecond, func() { n.json("news", `2`); n.json("news", `3`) })
		for _, want := range []string{`2`, `3`} {
			if m, err, _ := next(); err != nil || string(m.Data) != want {
				t.Fatalf("got %s, %v; want %s", m.Data, err, want)
			}
		}
		n.json("news", `4`)
		n.json("news", `5`)
		cancel()
		if m, err, _ := next(); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end of its context it gives %s, %v", m.Data, err)
		}
	})
}
