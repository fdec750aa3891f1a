package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
)

func echoCall(_ context.Context, s wirepost.Session, method string, data json.RawMessage) (any, error) {
	if method == "fail" {
		return nil, wirepost.Errorf(wirepost.CodeForbidden, "not you")
	}
	return map[string]any{"user": s.User, "method": method, "data": data}, nil
}

// TestCommands publishes and calls from many goroutines concurrently.
func TestCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(o *wirepost.Options) { o.OnCall = echoCall })
		c, ctx := s.dial("42"), t.Context()
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				p, err := c.Publish(ctx, client.Publication{To: "room", Data: fmt.Append(nil, i), ID: fmt.Sprint(i % 40)})
				if err != nil || p.ID != fmt.Sprint(i%40) || p.Seq == 0 {
					t.Errorf("publish %d: %+v %v", i, p, err)
				}
			})
			all.Go(func() {
				reply, err := c.Call(ctx, "rename", i)
				if want := fmt.Sprintf(`{"data":%d,"method":"rename","user":"42"}`, i); err != nil || string(reply) != want {
					t.Errorf("call %d: %s %v", i, reply, err)
				}
			})
		}
		all.Wait()
		if n := len(s.list("room")); n != 40 {
			t.Errorf("%d messages in the room", n)
		}
		_, err := c.Call(ctx, "fail", nil)
		if e, ok := errors.AsType[*client.CommandError](err); !ok || e.Code != "forbidden" || e.Message != "not you" {
			t.Errorf("a failing call: %v", err)
		}
		_, err = c.Publish(ctx, client.Publication{To: "all", Data: []byte("1")})
		if e, ok := errors.AsType[*client.CommandError](err); !ok || e.Code != "forbidden" {
			t.Errorf("a forbidden publish: %v", err)
		}
		if _, err := c.Publish(ctx, client.Publication{To: "a", Data: []byte("{")}); err == nil {
			t.Error("invalid JSON was published")
		}
	})
}

// TestCommandsWait: commands wait for a connection. A command that may already have been
// executed is repeated only if it is idempotent.
func TestCommandsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(o *wirepost.Options) {
			o.OnCall = func(ctx context.Context, _ wirepost.Session, _ string, _ json.RawMessage) (any, error) {
				<-ctx.Done() // until the connection closes
				return nil, nil
			}
		})
		c := s.dial("42")
		interrupted := make(chan error)
		go func() {
			_, err := c.Call(t.Context(), "hang", nil)
			interrupted <- err
		}()
		synctest.Wait()
		s.stop()
		if err := <-interrupted; !errors.Is(err, client.ErrInterrupted) {
			t.Errorf("a call when the connection closes: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for what, do := range map[string]func() error{
			"publish": func() error {
				_, err := c.Publish(ctx, client.Publication{To: "a", Data: []byte("1")})
				return err
			},
			"call":        func() error { _, err := c.Call(ctx, "a", nil); return err },
			"subscribe":   func() error { _, err := c.Subscribe(ctx, "a"); return err },
			"unsubscribe": func() error { return c.Unsubscribe(ctx, "a") },
		} {
			if err := do(); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", what, err)
			}
		}
		published := make(chan error)
		go func() {
			_, err := c.Publish(t.Context(), client.Publication{To: "a", Data: []byte("1")})
			published <- err
		}()
		time.Sleep(time.Minute)
		s.start()
		if err := <-published; err != nil {
			t.Error(err)
		}
		if n := len(s.list("a")); n != 1 {
			t.Errorf("published %d times", n)
		}
	})
}

// TestSubscribe: a subscription continues across connections without losing a message.
func TestSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		var received events
		c, ctx := s.dial("42", received.option), t.Context()
		s.pushNumbers("news", 1, 3)
		if p, err := c.Subscribe(ctx, "news"); err != nil || p.Head != 3 || p.Oldest != 1 {
			t.Errorf("%+v %v", p, err)
		}
		if p, err := c.SubscribeAfter(ctx, "log", 0); err != nil || !p.Resumed {
			t.Errorf("%+v %v", p, err)
		}
		s.stop()
		s.start()
		s.pushNumbers("news", 4, 5) // before the client reconnects
		s.push("log", "a")
		texts := strings.Fields(take(t, c, 3))
		if slices.Sort(texts); !slices.Equal(texts, []string{"4", "5", "a"}) {
			t.Errorf("got %s", texts)
		}
		none(t, c)
		// Messages requested again are delivered again.
		if _, err := c.SubscribeAfter(ctx, "news", 1); err != nil {
			t.Fatal(err)
		}
		if got := take(t, c, 4); got != "2 3 4 5" {
			t.Errorf("got %s", got)
		}
		if err := c.Unsubscribe(ctx, "news"); err != nil {
			t.Error(err)
		}
		s.push("news", "6")
		none(t, c)
		_, err := c.Subscribe(ctx, "user:43")
		if e, ok := errors.AsType[*client.CommandError](err); !ok || e.Code != "forbidden" {
			t.Errorf("another user's inbox: %v", err)
		}
	})
}

// TestResubscribeRefused: a subscription that is no longer allowed is reported, and the
// client keeps running.
func TestResubscribeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var strict atomic.Bool
		s := newSite(t, func(o *wirepost.Options) {
			if strict.Load() {
				o.Channels = []wirepost.Policy{{Pattern: "news", Subscribe: wirepost.AccessBackendOnly}}
			}
		})
		var received events
		c := s.dial("42", received.option)
		if _, err := c.Subscribe(t.Context(), "news"); err != nil {
			t.Fatal(err)
		}
		strict.Store(true)
		s.stop()
		s.start()
		s.push("user:42", "1")
		if got := take(t, c, 1); got != "1" {
			t.Errorf("got %s", got)
		}
		none(t, c)
		e, _ := last[client.Unsubscribed](&received)
		if refused, ok := errors.AsType[*client.CommandError](e.Err); e.Channel != "news" || !ok || refused.Code != "forbidden" {
			t.Errorf("%+v", e)
		}
	})
}

// TestAccount: unread messages and read marks, on two devices.
func TestAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		var received events
		a, b := s.dial("42&device=a"), s.dial("42&device=b", received.option)
		unread := func(want int) {
			t.Helper()
			synctest.Wait()
			time.Sleep(time.Millisecond)
			for name, c := range map[string]*client.Client{"a": a, "b": b} {
				if got := c.Unread("user:42"); got != want {
					t.Errorf("device %s: %d unread, want %d", name, got, want)
				}
			}
		}
		s.pushNumbers("user:42", 1, 5)
		unread(5)
		if err := a.MarkRead("user:42", 3); err != nil {
			t.Fatal(err)
		}
		unread(2)
		if _, err := s.Revoke(t.Context(), "user:42", 4); err != nil {
			t.Fatal(err)
		}
		unread(1)
		for range 3 {
			if _, err := s.Push(t.Context(), wirepost.Push{To: "user:42", Data: []byte("1"), Key: "order:7"}); err != nil {
				t.Fatal(err)
			}
		}
		unread(2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range b.Messages(ctx) {
		}
		if e, _ := last[client.State](&received); e.Read != 3 || e.Unread != 2 || e.Channel != "user:42" {
			t.Errorf("%+v", e)
		}
		if e, _ := last[client.Revoked](&received); e.Revoked != 4 {
			t.Errorf("%+v", e)
		}
		// A mark set while disconnected is sent over the next connection.
		s.stop()
		synctest.Wait()
		if err := a.MarkRead("user:42", 5); err != nil {
			t.Fatal(err)
		}
		s.start()
		time.Sleep(time.Minute)
		unread(1)
	})
}

// The refusal of a command without a waiting caller is reported as an event.
func TestRefusedMarkRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		var received events
		c := s.dial("42", received.option)
		if err := c.MarkRead("room:7", 1); err != nil {
			t.Fatal(err)
		}
		none(t, c)
		e, n := last[client.Refused](&received)
		if of, ok := errors.AsType[*client.CommandError](e.Err); n != 1 || !ok || of.Code != "not_found" {
			t.Errorf("%d times %v", n, e.Err)
		}
	})
}

func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(o *wirepost.Options) {
			o.Channels = []wirepost.Policy{{Pattern: "user:*", MaxMessages: 10}}
		})
		s.dial("42").Close() // makes the device known
		synctest.Wait()      // a session that is still closing would keep the newest messages in memory
		s.pushNumbers("user:42", 1, 30)
		var received events
		c := s.dial("42", received.option)
		if got := take(t, c, 10); !strings.HasPrefix(got, "21 22") {
			t.Errorf("got %s", got)
		}
		if e, n := last[client.Gap](&received); n != 1 || e.After != 0 || e.ResumedAt != 21 || e.Channel != "user:42" {
			t.Errorf("%d gaps: %+v", n, e)
		}
	})
}

// TestMemoryOnly: the log of a memory-only channel is empty after a restart of the server;
// a client whose position was beyond it still receives the new messages.
func TestMemoryOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(o *wirepost.Options) {
			o.Channels = []wirepost.Policy{{Pattern: "live*", NonDurable: true}}
		})
		c := s.dial("42", func(o *client.Options) { o.Channels = []string{"live1"} })
		if _, err := c.Subscribe(t.Context(), "live2"); err != nil {
			t.Fatal(err)
		}
		s.pushNumbers("live1", 1, 5)
		s.pushNumbers("live2", 6, 9)
		take(t, c, 9)
		s.stop()
		s.start()
		s.pushNumbers("live1", 10, 11) // before the client reconnects
		if got := take(t, c, 2); got != "10 11" {
			t.Errorf("got %s", got)
		}
		s.push("live2", "12")
		if got := take(t, c, 1); got != "12" {
			t.Errorf("got %s", got)
		}
	})
}
