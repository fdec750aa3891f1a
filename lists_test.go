package wirepost_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// pages reads a list page by page.
func pages(t *testing.T, q wirepost.ListQuery, page func(wirepost.ListQuery) ([]string, string, error)) string {
	t.Helper()
	var all []string
	for range 10_000 {
		names, next, err := page(q)
		if err != nil {
			t.Fatal(err)
		}
		if next == q.After {
			return strings.Join(all, " ")
		}
		all, q.After = append(all, names...), next
	}
	t.Fatal("the list does not end")
	return ""
}

func (n *node) userPage(q wirepost.ListQuery) (names []string, next string, err error) {
	list, next, err := n.Users(n.t.Context(), q)
	for _, u := range list {
		names = append(names, fmt.Sprint(u.User, "=", u.Online))
	}
	return names, next, err
}

func (n *node) channelPage(q wirepost.ListQuery) (names []string, next string, err error) {
	list, next, err := n.Channels(n.t.Context(), q)
	for _, c := range list {
		names = append(names, fmt.Sprint(c.Channel, "=", c.Head, "/", c.Subscribers))
	}
	return names, next, err
}

func TestLists(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) {
			o.Channels = []wirepost.Policy{{Pattern: "mem:*", NonDurable: true}}
		})
		n.json("news", "1")
		n.json("mem:1", "1")
		if err := n.Join(t.Context(), "bob", "news"); err != nil {
			t.Fatal(err)
		}
		n.dialV1("anna&channels=room:1")
		n.dialV1("anna&device=b")
		n.dialV1("bella")
		carl, _ := n.dialV1("carl")
		carl.leave()
		synctest.Wait()
		n.json("user:bella", "1")
		info, err := n.Channel(t.Context(), "mem:1")
		if err != nil {
			t.Fatal(err)
		}
		mem := fmt.Sprint("mem:1=", info.Head, "/0")
		for limit := range 4 {
			q := wirepost.ListQuery{Limit: limit}
			if got, want := pages(t, q, n.userPage), "anna=2 bella=1 bob=0 carl=0"; got != want {
				t.Errorf("users %s, want %s", got, want)
			}
			if got, want := pages(t, q, n.channelPage), "all=0/3 "+mem+" news=1/0 room:1=0/1 user:anna=0/2 user:bella=1/1"; got != want {
				t.Errorf("channels %s, want %s", got, want)
			}
			q.Prefix = "b"
			if got, want := pages(t, q, n.userPage), "bella=1 bob=0"; got != want {
				t.Errorf("users with b: %s, want %s", got, want)
			}
			q.Online = true
			if got, want := pages(t, q, n.userPage), "bella=1"; got != want {
				t.Errorf("online users with b: %s, want %s", got, want)
			}
		}
		if _, _, err := n.Users(t.Context(), wirepost.ListQuery{Limit: 1001}); wirepost.AsError(err).Field != "limit" {
			t.Errorf("limit 1001: %v", err)
		}
	})
}

// TestListsOfMany: the order does not depend on how many names there are.
func TestListsOfMany(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	var want []string
	for i := range 9000 {
		want = append(want, fmt.Sprintf("c%04d=1/0", i))
	}
	for _, i := range rand.Perm(9000) {
		n.json(fmt.Sprintf("c%04d", i), "1")
	}
	if got := pages(t, wirepost.ListQuery{Prefix: "c", Limit: 1000}, n.channelPage); got != strings.Join(want, " ") {
		t.Errorf("the list has %d bytes", len(got))
	}
}

// TestListsElsewhere: the lists of a node include what is connected to the others.
func TestListsElsewhere(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		one, two := ns.all[0], ns.all[1]
		one.dialV1("a")
		two.dialV1("b&channels=room:1")
		time.Sleep(time.Second)
		if got := pages(t, wirepost.ListQuery{Online: true}, one.userPage); got != "a=1 b=1" {
			t.Errorf("users: %s", got)
		}
		if got := pages(t, wirepost.ListQuery{Prefix: "room"}, one.channelPage); got != "room:1=0/1" {
			t.Errorf("channels: %s", got)
		}
	})
}
