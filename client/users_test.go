package client_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
)

func TestMembership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, ctx := s.backend(), t.Context()
		var got events
		c := s.dial("4/2&device=d1", got.option)
		if state, err := b.Join(ctx, "4/2", "team/7"); err != nil || state.Head != 0 || state.Unread != 0 {
			t.Fatalf("%+v %v", state, err)
		}
		if _, err := b.Push(ctx, client.Push{To: "team/7", Data: []byte(`"x"`)}); err != nil {
			t.Fatal(err)
		}
		if text := take(t, c, 1); text != `"x"` {
			t.Errorf("got %s", text)
		}
		if state, err := b.Join(ctx, "4/2", "team/7"); err != nil || state.Head != 1 || state.Unread != 1 {
			t.Errorf("the repeat: %+v %v", state, err)
		}
		if err := b.Leave(ctx, "4/2", "team/7"); err != nil {
			t.Error(err)
		}
		none(t, c)
		if e, _ := last[client.Unsubscribed](&got); e.Channel != "team/7" {
			t.Errorf("%+v", e)
		}
		if err := b.Leave(ctx, "4/2", "team/7"); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("second leave: %v", err)
		}
		if _, err := b.Join(ctx, "4/2", "user:43"); !errors.Is(err, client.ErrBadRequest) {
			t.Errorf("join an inbox: %v", err)
		}
	})
}

func TestUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, ctx := s.backend(), t.Context()
		s.dial("42&device=d1", func(o *client.Options) { o.Header = http.Header{"User-Agent": {"test/1"}} })
		s.pushNumbers("user:42", 1, 3)
		info, err := b.User(ctx, "42")
		if err != nil || info.User != "42" || info.Online != 1 || len(info.Sessions) != 1 {
			t.Fatalf("%+v %v", info, err)
		}
		if ses := info.Sessions[0]; ses.Device != "d1" || ses.Connection == "" || ses.Agent != "test/1" || ses.Mode != "wirepost.v1" || !ses.Since.Equal(time.Now()) {
			t.Errorf("%+v", ses)
		}
		if inbox := info.Channels["user:42"]; inbox.Head != 3 || inbox.Unread != 3 || inbox.Read != 0 {
			t.Errorf("%+v", inbox)
		}
		nobody, err := b.User(ctx, "nobody")
		if err != nil || nobody.Online != 0 || len(nobody.Sessions) != 0 {
			t.Errorf("%+v %v", nobody, err)
		}
		if _, err := b.User(ctx, "a b"); !errors.Is(err, client.ErrBadRequest) {
			t.Errorf("a bad name: %v", err)
		}
	})
}

func TestInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, ctx := s.backend(), t.Context()
		s.pushNumbers("user:42", 1, 3)
		list, next, err := b.Inbox(ctx, "42", 1, 1)
		if err != nil || len(list) != 1 || string(list[0].Data) != "2" || next != 2 || list[0].Channel != "user:42" {
			t.Errorf("%v %d %v", list, next, err)
		}
		if list, next, err = b.Inbox(ctx, "42", 3, 0); err != nil || len(list) != 0 || next != 3 {
			t.Errorf("after the last: %v %d %v", list, next, err)
		}
		if _, _, err := b.Inbox(ctx, "42", 0, 1001); !errors.Is(err, client.ErrBadRequest) {
			t.Errorf("too many: %v", err)
		}
	})
}

func TestMarkRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, ctx := s.backend(), t.Context()
		s.pushNumbers("user:42", 1, 3)
		for _, c := range []struct {
			channel   string
			seq, read uint64
			unread    int
		}{{"", 2, 2, 1}, {"user:42", 1, 2, 1}, {"", 99, 3, 0}} {
			if read, unread, err := b.MarkRead(ctx, "42", c.channel, c.seq); err != nil || read != c.read || unread != c.unread {
				t.Errorf("%+v: %d %d %v", c, read, unread, err)
			}
		}
		if _, _, err := b.MarkRead(ctx, "42", "team", 1); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("not a member: %v", err)
		}
		if _, _, err := b.MarkRead(ctx, "4 2", "", 1); !errors.Is(err, client.ErrBadRequest) {
			t.Errorf("a bad name: %v", err)
		}
	})
}

func TestDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, ctx := s.backend(), t.Context()
		c, other := s.dial("42&device=d1"), s.dial("42&device=d2")
		info, err := b.User(ctx, "42")
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(info.Sessions, func(ses client.Session) bool { return ses.Device == "d1" })
		if n, err := b.Disconnect(ctx, "42", info.Sessions[i].Connection); n != 1 || err != nil {
			t.Errorf("one: %d %v", n, err)
		}
		closedWith(t, c, 4409)
		if _, err := b.Disconnect(ctx, "42", info.Sessions[i].Connection); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("again: %v", err)
		}
		if n, err := b.Disconnect(ctx, "42", ""); n != 1 || err != nil {
			t.Errorf("all: %d %v", n, err)
		}
		closedWith(t, other, 4409)
		if n, err := b.Disconnect(ctx, "42", ""); n != 0 || err != nil {
			t.Errorf("none: %d %v", n, err)
		}
	})
}

// closedWith checks that a client ended with a close code after which it does not
// reconnect.
func closedWith(t *testing.T, c *client.Client, code int) {
	t.Helper()
	for _, err := range c.Messages(t.Context()) {
		if e, ok := errors.AsType[*client.CloseError](err); !ok || e.Code != code || e.MayReconnect() {
			t.Errorf("closed with %v, want %d", err, code)
		}
	}
}

func TestRevokeTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issued := time.Now()
		s := newSite(t, func(o *wirepost.Options) {
			o.Authenticate = func(r *http.Request) (wirepost.Identity, error) {
				return wirepost.Identity{User: "42", Issued: issued}, nil
			}
		})
		b, ctx := s.backend(), t.Context()
		c := s.dial("42")
		time.Sleep(time.Minute)
		if n, err := b.RevokeTokens(ctx, "42", issued.Add(-time.Hour)); n != 0 || err != nil {
			t.Errorf("before it: %d %v", n, err)
		}
		if n, err := b.RevokeTokens(ctx, "42", time.Now()); n != 1 || err != nil {
			t.Errorf("after it: %d %v", n, err)
		}
		closedWith(t, c, 4401)
		_, err := s.tryDial("42")
		if e, ok := errors.AsType[*client.RefusedError](err); !ok || !errors.Is(err, client.ErrUnauthorized) || e.Status != 401 {
			t.Errorf("with the token: %v", err)
		}
		for _, bad := range []time.Time{{}, time.Now().Add(time.Hour)} {
			if _, err := b.RevokeTokens(ctx, "42", bad); !errors.Is(err, client.ErrBadRequest) {
				t.Errorf("%s: %v", bad, err)
			}
		}
	})
}
