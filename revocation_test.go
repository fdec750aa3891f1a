package wirepost_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/pebble"
)

// issuedTokens accepts tokens of the form user.seconds, the time of issue; without
// seconds a token has no iat.
func issuedTokens(o *wirepost.Options) {
	o.Authenticate = nil
	o.VerifyToken = func(_ context.Context, token string) (wirepost.Identity, error) {
		user, at, _ := strings.Cut(token, ".")
		id := wirepost.Identity{User: user}
		if at != "" {
			seconds, err := strconv.ParseInt(at, 10, 64)
			if err != nil {
				return id, errors.New("no number")
			}
			id.Issued = time.Unix(seconds, 0)
		}
		return id, nil
	}
}

func TestRevokedTokensAreRefusedAndTheirConnectionsEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(o *wirepost.Options) {
		e, err := pebble.Open(dir, pebble.Options{Logger: o.Logger})
		if err != nil {
			t.Fatal(err)
		}
		o.Engine = e
	}
	n := newNode(t, open, issuedTokens)
	dial := func(token string) *client {
		c, _, err := n.tryDial("token="+token, "wirepost.v1")
		if err != nil {
			t.Fatal(err)
		}
		c.frame("hello")
		return c
	}
	old, undated, fresh, other := dial("42.1000"), dial("42"), dial("42.2000"), dial("43.1000")
	ended, err := n.RevokeTokens(t.Context(), "42", time.Unix(2000, 0))
	if err != nil || ended != 2 {
		t.Fatalf("%d connections ended, %v", ended, err)
	}
	for _, c := range []*client{old, undated} {
		if b := c.frame("bye"); b.num("code") != 4401 || c.closeCode() != 4401 {
			t.Errorf("bye: %v", b)
		}
	}
	fresh.send(`{"type":"auth","ref":1,"token":"42.1999"}`)
	if f := fresh.frame("error"); f.str("code") != "forbidden" || !strings.Contains(f.str("message"), "revoked") {
		t.Errorf("an old token as a new one: %v", f)
	}
	fresh.send(`{"type":"auth","ref":2,"token":"42.2001"}`)
	fresh.frame("ok")
	other.send(`{"type":"auth","ref":1,"token":"43.1000"}`)
	other.frame("ok")

	// The mark is stored, and only moves forward.
	if _, err := n.RevokeTokens(t.Context(), "42", time.Unix(1500, 0)); err != nil {
		t.Fatal(err)
	}
	n.stop()
	n = newNode(t, open, issuedTokens)
	for token, status := range map[string]int{"42.1999": 401, "42": 401} {
		if _, resp, err := n.tryDial("token=" + token); err == nil || resp == nil || resp.StatusCode != status {
			t.Errorf("%s: %v %v", token, resp, err)
		}
	}
	dial("42.2000")
	if info, err := n.User(t.Context(), "42"); err != nil || len(info.Channels) != 2 {
		t.Errorf("the user is a member of %v, %v", info.Channels, err)
	}
}
