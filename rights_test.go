package wirepost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

// rights are the rights of a test's token, which is their JSON.
type rights struct {
	Channels, Subscribe []string
	Device              string
}

func (r rights) token() string {
	text, _ := json.Marshal(r)
	return string(text)
}

// byRights authenticates user 42 by tokens with rights; channels "anyone:…" are open,
// and "backend:…" closed.
func byRights(o *wirepost.Options) {
	o.Authenticate = nil
	o.VerifyToken = func(_ context.Context, token string) (wirepost.Identity, error) {
		var r rights
		err := json.Unmarshal([]byte(token), &r)
		return wirepost.Identity{User: "42", Channels: r.Channels, Subscribe: r.Subscribe, Device: r.Device}, err
	}
	o.Channels = []wirepost.Policy{
		{Pattern: "anyone:*", Subscribe: wirepost.AccessAnyone},
		{Pattern: "backend:*", Subscribe: wirepost.AccessBackendOnly},
	}
}

// held queries a session's subscriptions to channels, and which of them are
// memberships.
func (c *client) held(channels []string) string {
	c.t.Helper()
	subscribed, stored := map[string]bool{}, map[string]bool{}
	for i, channel := range channels {
		subscribed[channel], stored[channel] = true, true
		c.send(`{"type":"ack","ref":"ack%d","channel":%q,"seq":0}`, i, channel)
		c.send(`{"type":"read","ref":"read%d","channel":%q,"seq":0}`, i, channel)
	}
	c.send(`{"type":"ack","ref":"end","channel":"nowhere","seq":0}`)
	for {
		var f frame
		if err := json.Unmarshal([]byte(c.next()), &f); err != nil {
			c.t.Fatal(err)
		}
		var i int
		switch ref := f.str("ref"); {
		case ref == "end":
			return describeHeld(channels, subscribed, stored)
		case strings.HasPrefix(ref, "ack"):
			fmt.Sscanf(ref, "ack%d", &i)
			subscribed[channels[i]] = false
		case strings.HasPrefix(ref, "read"):
			fmt.Sscanf(ref, "read%d", &i)
			stored[channels[i]] = false
		}
	}
}

func describeHeld(channels []string, subscribed, stored map[string]bool) string {
	var all []string
	for _, channel := range channels {
		switch {
		case stored[channel]:
			all = append(all, channel+" (member)")
		case subscribed[channel]:
			all = append(all, channel)
		}
	}
	return strings.Join(all, ", ")
}

// rightsModel models a client's rights.
type rightsModel struct {
	channels  []string
	rights    rights
	members   map[string]bool
	requested map[string]bool
}

func (m *rightsModel) allowed(channel string) bool {
	switch {
	case strings.HasPrefix(channel, "anyone:"):
		return true
	case strings.HasPrefix(channel, "backend:"):
		return false
	}
	return slices.Contains(m.rights.Channels, channel) || slices.Contains(m.rights.Subscribe, channel)
}

func (m *rightsModel) member(channel string) bool {
	return m.members[channel] || slices.Contains(m.rights.Channels, channel)
}

// may reports whether the client may subscribe to the channel.
func (m *rightsModel) may(channel string) bool { return m.allowed(channel) || m.member(channel) }

// want is the expected subscriptions of a new connection. A client does not request
// again the channels that it requested and lost.
func (m *rightsModel) want() string {
	subscribed, stored := map[string]bool{}, map[string]bool{}
	for _, channel := range m.channels {
		stored[channel] = m.member(channel)
		if !stored[channel] && !m.allowed(channel) {
			m.requested[channel] = false
		}
		subscribed[channel] = stored[channel] || m.requested[channel]
	}
	return describeHeld(m.channels, subscribed, stored)
}

// TestSubscriptionsFollowRights changes the token and the memberships of one session
// repeatedly, and compares it with a new one.
func TestSubscriptionsFollowRights(t *testing.T) {
	t.Parallel()
	n := newNode(t, byRights)
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 1))
		channels := []string{"a", "b", "c", "anyone:d", "backend:e"}
		m := &rightsModel{channels: channels, members: map[string]bool{}, requested: map[string]bool{}}
		pick := func() (list []string) {
			for _, channel := range channels {
				if random.IntN(3) == 0 {
					list = append(list, channel)
				}
			}
			return list
		}
		for _, channel := range channels {
			n.Leave(t.Context(), "42", channel) //nolint:errcheck // it may not be a member
		}
		m.rights = rights{Channels: pick(), Subscribe: pick()}
		c, _, err := n.tryDial("token="+url.QueryEscape(m.rights.token()), "wirepost.v1")
		if err != nil {
			t.Fatal(err)
		}
		c.frame("hello")
		var steps []string
		for range 150 {
			channel := channels[random.IntN(len(channels))]
			switch random.IntN(5) {
			case 0:
				steps = append(steps, "join "+channel)
				if err := n.Join(t.Context(), "42", channel); err != nil {
					t.Fatal(err)
				}
				m.members[channel] = true
			case 1:
				steps = append(steps, "leave "+channel)
				n.Leave(t.Context(), "42", channel) //nolint:errcheck // it may not be a member
				m.members[channel] = false
			case 2:
				m.rights = rights{Channels: pick(), Subscribe: pick()}
				steps = append(steps, "auth "+m.rights.token())
				c.send(`{"type":"auth","ref":1,"token":%q}`, m.rights.token())
				c.result(1)
			case 3:
				steps = append(steps, "subscribe "+channel)
				c.send(`{"type":"subscribe","ref":2,"channel":%q}`, channel)
				if c.result(2) != m.may(channel) {
					t.Fatalf("%s: allowed is %t", steps, m.may(channel))
				}
				m.requested[channel] = m.requested[channel] || m.may(channel)
			case 4: // a plain message, so that something is in flight
				n.json(channel, `1`)
			}
			want, got := m.want(), ""
			eventually(t, fmt.Sprintf("seed %d: after %s the session has %s", seed, steps, want), func() bool {
				got = c.held(channels)
				return got == want
			})
		}
		c.Close()
		n.gone("42")
	}
}

// result reads up to the response to a command, and reports whether it was ok.
func (c *client) result(ref int) bool {
	c.t.Helper()
	for {
		var f frame
		if err := json.Unmarshal([]byte(c.next()), &f); err != nil {
			c.t.Fatal(err)
		}
		if _, numbered := f["ref"].(float64); numbered && f.num("ref") == uint64(ref) {
			return f["type"] == "ok"
		}
	}
}

// A command sent after a weaker token is checked with that token.
func TestASubscribeAfterAWeakerToken(t *testing.T) {
	t.Parallel()
	n := newNode(t, byRights)
	strong := rights{Subscribe: []string{"a"}}
	for range 50 {
		c, _, err := n.tryDial("token="+url.QueryEscape(strong.token()), "wirepost.v1")
		if err != nil {
			t.Fatal(err)
		}
		c.frame("hello")
		c.send(`{"type":"auth","ref":1,"token":%q}`, rights{}.token())
		c.send(`{"type":"subscribe","ref":2,"channel":"a"}`)
		if !c.result(1) || c.result(2) {
			t.Fatal("the subscription is granted")
		}
		if got := c.held([]string{"a"}); got != "" {
			t.Fatalf("the session has %s", got)
		}
		c.Close()
	}
}

// A plain client keeps a requested channel that its token allows when a membership of
// the same channel ends, and loses a channel that only the membership granted.
func TestPlainSubscriptionsOutliveTheMembership(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, channel := range []string{"asked", "given"} {
		if err := n.Join(t.Context(), "42", channel); err != nil {
			t.Fatal(err)
		}
	}
	c := n.dial("42&channels=asked")
	for _, channel := range []string{"asked", "given"} {
		if err := n.Leave(t.Context(), "42", channel); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the membership has ended", func() bool {
		info, err := n.Channel(t.Context(), "given")
		return err == nil && info.Subscribers == 0
	})
	n.json("given", `1`)
	n.json("asked", `2`)
	c.want(`2`)
}

// A token for another device cannot be used by this session.
func TestAuthForAnotherDevice(t *testing.T) {
	t.Parallel()
	n := newNode(t, byRights)
	c, _, err := n.tryDial("device=phone&token=%7B%7D", "wirepost.v1")
	if err != nil {
		t.Fatal(err)
	}
	c.frame("hello")
	c.send(`{"type":"auth","ref":1,"token":%q}`, rights{Device: "laptop"}.token())
	if e := c.frame("error"); e.str("code") != "forbidden" {
		t.Errorf("got %v", e)
	}
	c.send(`{"type":"auth","ref":2,"token":%q}`, rights{Device: "phone"}.token())
	c.frame("ok")
}
