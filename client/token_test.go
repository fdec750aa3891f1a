package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/client"
)

// tokens is a source of tokens with a given lifetime; a token's text is its expiry.
type tokens struct {
	life  time.Duration
	count atomic.Int32
	dry   atomic.Bool
}

func (s *tokens) next(context.Context) (string, error) {
	if s.count.Add(1); s.dry.Load() {
		return "", errors.New("no tokens today")
	}
	return time.Now().Add(s.life).Format(time.RFC3339Nano), nil
}

func verify(_ context.Context, token string) (wirepost.Identity, error) {
	expires, err := time.Parse(time.RFC3339Nano, token)
	if err != nil || time.Now().After(expires) {
		return wirepost.Identity{}, wirepost.Errorf(wirepost.CodeUnauthorized, "the token has expired")
	}
	return wirepost.Identity{User: "42", Expires: expires}, nil
}

func byToken(o *wirepost.Options) {
	o.Authenticate, o.VerifyToken = nil, verify
}

// TestRefresh: a connection stays open long after its first token has expired.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, byToken)
		source := &tokens{life: 10 * time.Minute}
		var received events
		c := s.dial("", received.option, func(o *client.Options) { o.Token = source.next })
		time.Sleep(time.Hour)
		s.push("user:42", "1")
		if got := take(t, c, 1); got != "1" {
			t.Errorf("got %s", got)
		}
		if _, n := last[client.Connected](&received); n != 1 {
			t.Errorf("connected %d times", n)
		}
		if n := source.count.Load(); n != 7 {
			t.Errorf("%d tokens in an hour, want one for each 9.5 minutes", n)
		}
	})
}

// TestExpiry: without a refresh, the next connection requests a token.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, byToken)
		source := &tokens{life: time.Minute}
		var received events
		c := s.dial("", received.option, func(o *client.Options) { o.Token = source.next })
		source.dry.Store(true)
		time.Sleep(2 * time.Minute)
		source.dry.Store(false)
		s.push("user:42", "1")
		if got := take(t, c, 1); got != "1" {
			t.Errorf("got %s", got)
		}
		if _, n := last[client.Connected](&received); n != 2 {
			t.Errorf("connected %d times", n)
		}
	})
}

// TestStaticToken: with a fixed token, the client ends when the token expires.
func TestStaticToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, byToken)
		token, _ := (&tokens{life: time.Minute}).next(t.Context())
		c := s.dial("", func(o *client.Options) { o.Token = client.StaticToken(token) })
		_, err := end(t, c)
		if e, ok := errors.AsType[*client.RefusedError](err); !ok || e.Status != http.StatusUnauthorized || e.Code != "unauthorized" {
			t.Errorf("final error %v", err)
		}
	})
}

// TestRefusals: Dial returns errors that a retry would not change.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		for query, status := range map[string]int{
			"":                    401,
			"42&channels=user:43": 403,
			"42&after=x":          400,
		} {
			c, err := s.tryDial(query)
			e, ok := errors.AsType[*client.RefusedError](err)
			if !ok || e.Status != status || e.Detail == "" || e.Temporary() || c != nil {
				t.Errorf("%s: %v", query, err)
			}
		}
		for name, o := range map[string]client.Options{
			"wait":    {MinWait: -1},
			"channel": {Channels: []string{"a,b"}},
			"after":   {After: map[string]uint64{"": 1, "a": 2}},
		} {
			if _, err := client.Dial(t.Context(), "ws://wirepost.test/ws", o); err == nil {
				t.Errorf("Options with an invalid %s were accepted", name)
			}
		}
		for _, address := range []string{"ftp://a/ws", "ws:///ws", "ws://u:p@a/ws", "ws://a/%zz"} {
			if _, err := client.Dial(t.Context(), address, client.Options{DialContext: s.dialer}); err == nil {
				t.Errorf("%s was dialed", address)
			}
		}
	})
}

// TestAfter starts at the position that the program names, and continues from there.
func TestAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		s.pushNumbers("user:42", 1, 9)
		for i, after := range []map[string]uint64{{"": 7}, {"user:42": 7}} {
			c := s.dial(fmt.Sprintf("42&device=%d", i), func(o *client.Options) { o.After = after })
			if got := take(t, c, 2); got != "8 9" {
				t.Errorf("got %s", got)
			}
			none(t, c)
		}
	})
}
