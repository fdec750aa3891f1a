package wirepost_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// alternates checks that online and offline alternate for each user, and returns the users
// that are online at the end.
func alternates(t *testing.T, list []wirepost.Event) (online []string) {
	t.Helper()
	now := map[string]bool{}
	for _, e := range list {
		on := e.Type == wirepost.EventUserOnline
		if !on && e.Type != wirepost.EventUserOffline {
			continue
		}
		if now[e.User] == on {
			t.Errorf("%s twice, at %d:\n%s", brief(e), e.Seq, strings.Join(briefs(list), "\n"))
		}
		now[e.User] = on
	}
	for user, on := range now {
		if on {
			online = append(online, user)
		}
	}
	slices.Sort(online)
	return online
}

// TestOnlineOnSeveralNodes: a user is online once, however many nodes have connections,
// and also if they get and lose them at the same moment.
func TestOnlineOnSeveralNodes(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		for range 5 {
			var all []*client
			for i := range 6 {
				all = append(all, ns.all[i%3].dial(fmt.Sprint("42&device=d", i)))
			}
			time.Sleep(10 * time.Second)
			for _, c := range all {
				c.Close()
			}
			time.Sleep(20 * time.Second)
		}
		synctest.Wait()
		list := ns.all[1].logged(0)
		if online := alternates(t, list); len(online) > 0 || len(list) != 10 {
			t.Errorf("online at the end: %v; %d events", online, len(list))
		}
	}, writing("user.*"))
}

// TestOnlineAtOnce: nodes that say the same at the same time say it once.
func TestOnlineAtOnce(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		for round := range 10 {
			connected := make(chan *client)
			for i := range 3 {
				go func() { connected <- ns.all[i].dial(fmt.Sprintf("42&device=d%d", i)) }()
			}
			var all []*client
			for range 3 {
				all = append(all, <-connected)
			}
			time.Sleep(time.Second)
			for _, c := range all {
				c.Close()
			}
			time.Sleep(20 * time.Second)
			list := ns.all[round%3].logged(0)
			if online := alternates(t, list); len(online) > 0 || len(list) != 2*(round+1) {
				t.Fatalf("round %d: online at the end: %v; %s", round, online, briefs(list))
			}
		}
	}, writing("user.*"))
}

// TestOfflineByAnotherNode: when a node is gone, the users that do not come back are
// offline, and those on other nodes never are.
func TestOfflineByAnotherNode(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		time.Sleep(10 * time.Second) // a node leads
		for i := range 9 {
			ns.all[i%3].dial(fmt.Sprint(i))
		}
		ns.all[0].dial("1")
		ns.all[1].dial("0") // of the node that will be gone
		time.Sleep(10 * time.Second)
		ns.bus[0].down.Store(true) // it is silent, and does not say that it leaves
		ns.way[0].Cut(true, true)
		time.Sleep(3 * time.Second)
		ns.all[2].dial("3") // comes back in time
		time.Sleep(time.Minute)
		list := ns.all[1].logged(0)
		if online := alternates(t, list); !slices.Equal(online, []string{"0", "1", "2", "3", "4", "5", "7", "8"}) {
			t.Errorf("online: %v", online)
		}
		if offline := count(list, wirepost.EventUserOffline); offline != 1 {
			t.Errorf("%d are offline: %v", offline, briefs(list))
		}
	}, writing("user.*"), func(o *wirepost.Options) { o.Heartbeat = 24 * time.Hour })
}

func count(list []wirepost.Event, t wirepost.EventType) (n int) {
	for _, e := range list {
		if e.Type == t {
			n++
		}
	}
	return n
}

// TestOnlineAfterIsolation: a user whose node was taken for dead is offline meanwhile, and
// online again when the node is back.
func TestOnlineAfterIsolation(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		time.Sleep(10 * time.Second)
		ns.all[0].dial("42")
		time.Sleep(time.Second)
		ns.bus[0].down.Store(true)
		ns.way[0].Cut(true, true)
		time.Sleep(8 * time.Second) // less than after which a node sends its clients away
		if online := alternates(t, ns.all[1].logged(0)); len(online) > 0 {
			t.Errorf("online although the node is silent: %v", online)
		}
		ns.bus[0].down.Store(false)
		ns.way[0].Cut(false, false)
		time.Sleep(10 * time.Second)
		if online := alternates(t, ns.all[1].logged(0)); !slices.Equal(online, []string{"42"}) {
			t.Errorf("online when the node is back: %v", online)
		}
	}, writing("user.*"), func(o *wirepost.Options) { o.Heartbeat, o.Events.Grace = 24*time.Hour, time.Second })
}
