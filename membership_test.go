package wirepost_test

import (
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
)

// TestMembersRequestTheirMembership: a member may request the channel, in the connect request
// as by a command, whatever the token and the policy say. In plain mode, too, the request of
// one whose token does not allow the channel ends with the membership.
func TestMembersRequestTheirMembership(t *testing.T) {
	t.Parallel()
	n := newNode(t, byRights)
	for _, channel := range []string{"team", "backend:team"} {
		if err := n.Join(t.Context(), "42", channel); err != nil {
			t.Fatal(err)
		}
	}
	query := func(r rights, channels string) string {
		return "wait=0&token=" + url.QueryEscape(r.token()) + "&channels=" + url.QueryEscape(channels)
	}
	for _, tt := range []struct {
		rights   rights
		channels string
		status   int
	}{
		{rights{}, "team", 200},
		{rights{}, "backend:team", 200},
		{rights{}, "team,backend:team", 200},
		{rights{Channels: []string{"backend:other"}}, "backend:other", 200},
		{rights{}, "other", 403},
		{rights{}, "team,other", 403},
		{rights{}, "backend:other", 403},
		{rights{Subscribe: []string{"*"}}, "user:7", 403},
	} {
		for _, path := range []string{"/poll", "/sse"} {
			if resp := n.get(path, query(tt.rights, tt.channels)); resp.StatusCode != tt.status {
				t.Errorf("%s, %+v, ?channels=%s: %s", path, tt.rights, tt.channels, resp.Status)
			}
		}
		for _, protocol := range []string{"wirepost.plain", "wirepost.v1"} {
			want := tt.status
			if want == http.StatusOK {
				want = http.StatusSwitchingProtocols
			}
			if _, resp, _ := n.tryDial(query(tt.rights, tt.channels), protocol); resp == nil || resp.StatusCode != want {
				t.Errorf("%s, %+v, ?channels=%s: %v", protocol, tt.rights, tt.channels, resp)
			}
		}
	}
	c, _, err := n.tryDial(query(rights{Subscribe: []string{"own"}}, "team,own"))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Leave(t.Context(), "42", "team"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the subscriptions have ended", func() bool {
		info, err := n.Channel(t.Context(), "team")
		return err == nil && info.Subscribers == 0
	})
	n.json("team", "1")
	n.json("own", "2")
	c.want("2")
}

// TestANewMemberElsewhere: a user whom another node has just made a member may connect with
// the channel to a node that does not know of it yet.
func TestANewMemberElsewhere(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		a, b := ns.all[0], ns.all[1]
		ns.way[1].Cut(true, false)
		if err := a.Join(t.Context(), "42", "team"); err != nil {
			t.Fatal(err)
		}
		connected := make(chan *client, 1)
		go func() {
			c, resp, err := b.tryDial("token=%7B%7D&channels=team", "wirepost.v1")
			if err != nil {
				t.Error(err, resp)
			}
			connected <- c
		}()
		synctest.Wait()
		ns.way[1].Cut(false, false)
		if c := <-connected; c != nil && c.frame("hello").channel("team") == nil {
			t.Error("the new member is not subscribed")
		}
	}, byRights)
}
