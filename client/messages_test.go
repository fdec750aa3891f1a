package client_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/engine/memory"
)

func TestMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		s.pushNumbers("user:42", 1, 3)
		c := s.dial("42&device=d1")
		if got := take(t, c, 3); got != "1 2 3" {
			t.Errorf("got %s", got)
		}
		s.pushNumbers("user:42", 4, 5)
		if got := take(t, c, 2); got != "4 5" {
			t.Errorf("got %s", got)
		}
		time.Sleep(200 * time.Millisecond)
		if got := s.cursor("42", "user:42", "d1"); got != 5 {
			t.Errorf("acknowledged up to %d", got)
		}
		if c.User() != "42" || c.Inbox() != "user:42" || c.Unread("user:42") != 5 {
			t.Errorf("user %s, unread %d", c.User(), c.Unread("user:42"))
		}
	})
}

// TestLeavingTheLoop: a message whose loop body did not finish is delivered again.
func TestLeavingTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		c := s.dial("42")
		s.pushNumbers("user:42", 1, 3)
		for msg, err := range c.Messages(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if string(msg.Data) == "2" {
				break
			}
		}
		time.Sleep(time.Second)
		if got := s.cursor("42", "user:42", ""); got != 1 {
			t.Errorf("acknowledged up to %d", got)
		}
		if got := take(t, c, 2); got != "2 3" {
			t.Errorf("got %s", got)
		}
		none(t, c)
	})
}

func TestOneLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		c := s.dial("42")
		s.push("user:42", "1")
		for range c.Messages(t.Context()) {
			for _, err := range c.Messages(t.Context()) {
				if err == nil || !strings.Contains(err.Error(), "another loop") {
					t.Errorf("a second loop: %v", err)
				}
			}
			break
		}
	})
}

func TestManualAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		c := s.dial("42", func(o *client.Options) { o.ManualAck = true })
		s.pushNumbers("user:42", 1, 4)
		var got []*client.Message
		for msg, err := range c.Messages(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, msg); len(got) == 4 {
				break
			}
		}
		time.Sleep(time.Second)
		if at := s.cursor("42", "user:42", ""); at != 0 {
			t.Fatalf("acknowledged up to %d", at)
		}
		if err := errors.Join(got[2].Ack(), got[0].Ack()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if at := s.cursor("42", "user:42", ""); at != 3 {
			t.Errorf("acknowledged up to %d, want 3", at)
		}
		c.Close()
		if got := take(t, s.dial("42"), 1); got != "4" {
			t.Errorf("then %s", got)
		}
	})
}

// TestReconnect: across a restart of the server no message is lost or delivered twice.
func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var received events
		s := newSite(t, nil)
		c := s.dial("42&device=d1", received.option)
		s.pushNumbers("user:42", 1, 10)
		if got := take(t, c, 4); got != "1 2 3 4" {
			t.Fatalf("got %s", got)
		}
		s.stop() // 5 to 10 wait in the client
		s.start()
		s.pushNumbers("user:42", 11, 12)
		if got := take(t, c, 8); got != "5 6 7 8 9 10 11 12" {
			t.Errorf("got %s", got)
		}
		none(t, c)
		if got := s.cursor("42", "user:42", "d1"); got != 12 {
			t.Errorf("acknowledged up to %d", got)
		}
		if _, n := last[client.Connected](&received); n != 2 {
			t.Errorf("connected %d times", n)
		}
		if d, n := last[client.Disconnected](&received); n < 1 || d.Err == nil {
			t.Errorf("disconnected %d times: %v", n, d)
		}
	})
}

// TestBackpressure: with a slow loop the server stops at the window, which bounds the
// client's memory.
func TestBackpressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(o *wirepost.Options) { o.Window = 16 })
		c := s.dial("42")
		s.pushNumbers("user:42", 1, 200)
		n := 0
		for msg, err := range c.Messages(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute) // longer than the heartbeat allows
			if n++; n == 200 {
				msg.Ack() //nolint:errcheck // the store is in memory
				break
			}
		}
		none(t, c)
		if info := s.Stats(); info.Connections != 1 || info.Deliveries != 200 {
			t.Errorf("%+v", info)
		}
	})
}

// TestStore: a program restarted with its file gets no message twice, even if the server
// has not received the last acknowledgements.
func TestStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "bookmark")
		with := func(o *client.Options) {
			store, err := client.OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			o.Store = store
		}
		s := newSite(t, nil)
		c := s.dial("42", with)
		s.pushNumbers("user:42", 1, 3)
		if got := take(t, c, 3); got != "1 2 3" {
			t.Fatalf("got %s", got)
		}
		s.stop() // before the acknowledgement was sent
		c.Close()
		s.start()
		s.pushNumbers("user:42", 4, 5)
		c = s.dial("42", with)
		if got := take(t, c, 2); got != "4 5" {
			t.Errorf("got %s", got)
		}
		none(t, c)
		c.Close()

		if _, err := s.tryDial("43", with); err == nil || !strings.Contains(err.Error(), `user "42"`) {
			t.Errorf("the file of another user: %v", err)
		}
		if _, err := s.tryDial("42", with, func(o *client.Options) { o.Device = "x" }); err == nil {
			t.Error("the file of another device was accepted")
		}
		// Another store starts its sequences at 1.
		s.stop()
		s.engine = memory.New(memory.Options{})
		s.start()
		s.push("user:42", "new")
		var received events
		c = s.dial("42", with, received.option)
		if got := take(t, c, 1); got != "new" {
			t.Errorf("from another store: %s", got)
		}
		if e, _ := last[client.Connected](&received); !e.NewStore || e.Device == "" {
			t.Errorf("%+v", e)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		c := s.dial("42")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for msg, err := range c.Messages(ctx) {
			if msg != nil || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v %v", msg, err)
			}
		}
		go func() {
			time.Sleep(time.Second)
			c.Close()
		}()
		for msg, err := range c.Messages(t.Context()) {
			if msg != nil || !errors.Is(err, client.ErrClosed) {
				t.Errorf("got %v %v", msg, err)
			}
		}
		if _, err := c.Publish(t.Context(), client.Publication{To: "a", Data: []byte("1")}); !errors.Is(err, client.ErrClosed) {
			t.Errorf("publish: %v", err)
		}
	})
}
