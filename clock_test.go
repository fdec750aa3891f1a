package wirepost_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
)

// jumpyClock is a wall clock that the test sets independently of the monotonic clock.
type jumpyClock struct{ ahead atomic.Int64 }

func (c *jumpyClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *jumpyClock) jump(d time.Duration) { c.ahead.Add(int64(d)) }

// use gives the server this clock, through the engine.
func (c *jumpyClock) use(o *wirepost.Options) {
	start := time.Now()
	o.Engine = memory.New(memory.Options{
		Now: c.now, Elapsed: func() time.Duration { return time.Since(start) }, Logger: slog.New(slog.DiscardHandler),
	})
}

// TestRevocationWhileTheClockIsWrong: a revocation during a clock jump revokes the
// tokens issued until now, and none issued later.
func TestRevocationWhileTheClockIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c jumpyClock
		n := newPipeNode(t, issuedTokens, c.use)
		admitted := func(token string) bool {
			_, resp, err := n.tryDial("token=" + token)
			if err != nil && (resp == nil || resp.StatusCode != 401) {
				t.Fatal(err, resp)
			}
			return err == nil
		}
		const now = "42.946684800" // the bubble begins in 2000
		time.Sleep(time.Minute)
		c.jump(10 * time.Hour)
		if _, err := n.RevokeTokens(t.Context(), "42", n.Now()); err != nil {
			t.Fatal(err)
		}
		c.jump(-10 * time.Hour)
		if admitted(now) {
			t.Error("a token of a minute ago is admitted")
		}
		if !admitted("42.946684861") {
			t.Error("a token that was issued after the revocation is refused")
		}

		// A mark made by an earlier version while the clock was wrong.
		ahead := uint64(time.Now().Add(10 * time.Hour).UnixMilli())
		err := n.engine.Save(context.Background(), []engine.Update{{User: "43", Marks: []engine.Mark{{Channel: "", Read: ahead}}}}, true)
		if err != nil {
			t.Fatal(err)
		}
		if admitted("43.946684861") {
			t.Error("the mark in the future does not count")
		}
		if _, err := n.RevokeTokens(t.Context(), "43", n.Now()); err != nil {
			t.Fatal(err)
		}
		if admitted("43.946684800") {
			t.Error("a token from before the second revocation is admitted")
		}
		if !admitted("43.946684861") {
			t.Error("the user is still locked out")
		}
	})
}

// TestSessionsOutliveAJump: a session expires when the lifetime of its token has
// elapsed, not when the clock jumps forward and back.
func TestSessionsOutliveAJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c jumpyClock
		n := newPipeNode(t, c.use, func(o *wirepost.Options) {
			o.Authenticate = nil
			expires := time.Now().Add(time.Hour)
			o.VerifyToken = func(context.Context, string) (wirepost.Identity, error) {
				return wirepost.Identity{User: "42", Expires: expires}, nil
			}
		})
		ws, _, err := n.tryDial("token=x")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan int, 1)
		go func() { ended <- ws.closeCode() }()
		c.jump(48 * time.Hour)
		time.Sleep(5 * time.Minute) // heartbeats check the time
		c.jump(-48 * time.Hour)
		time.Sleep(54 * time.Minute)
		if n.online("42") != 1 {
			t.Fatalf("the session closed with %d", <-ended)
		}
		time.Sleep(2 * time.Minute)
		if code := <-ended; code != 4401 {
			t.Errorf("the session closed with %d", code)
		}
	})
}
