package wirepost_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestPresenceNodes: a user is one on all nodes, and everyone sees the same.
func TestPresenceNodes(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		one, two := ns.all[0], ns.all[1]
		a, _ := one.dialV1("a")
		a.enter("room:1")
		b, _ := two.dialV1(`b&info={"name":"Bo"}`)
		time.Sleep(time.Second)
		if ok := frame(b.enter("room:1")); ok.num("count") != 2 || !slices.Equal(ok.users("users"), []string{"a", "b"}) {
			t.Errorf("on the other node: %v", ok)
		}
		f := a.changes("b", "", 2)
		if got := fmt.Sprint(f["joined"].([]any)[0].(map[string]any)["info"]); got != "map[name:Bo]" {
			t.Errorf("info on the other node: %s", got)
		}
		// The same user on both nodes.
		other, _ := one.dialV1("b&device=laptop&channels=room:1")
		a.quiet(time.Second)
		for _, n := range ns.all {
			n.wantPresent("room:1", "2 a b")
		}
		b.send(`{"type":"unsubscribe","ref":2,"channel":"room:1"}`)
		b.frame("ok")
		a.quiet(time.Second)
		if _, err := two.Disconnect(t.Context(), "b", ""); err != nil {
			t.Fatal(err)
		}
		one.wantPresent("room:1", "1 a")
		time.Sleep(100 * time.Millisecond)
		two.wantPresent("room:1", "1 a")
		a.changes("", "b", 1)
		_ = other
		// A lost connection that comes back to another node.
		c, _ := one.dialV1("c&channels=room:1")
		a.changes("c", "", 2)
		c.Close()
		time.Sleep(3 * time.Second)
		c, _ = two.dialV1("c&channels=room:1")
		a.quiet(6 * time.Second)
		for _, n := range ns.all {
			n.wantPresent("room:1", "2 a c")
		}
		c.send(`{"type":"unsubscribe","ref":2,"channel":"room:1"}`)
		c.frame("ok")
		a.changes("", "c", 1)
	}, withPresence)
}

// TestPresenceSilentNode: the users of a node that is cut off are gone after the grace, and
// are back with it.
func TestPresenceSilentNode(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		one, two := ns.all[0], ns.all[1]
		a, _ := one.dialV1("a")
		a.enter("room:1")
		b, _ := two.dialV1("b")
		b.enter("room:1")
		a.changes("b", "", 2)
		ns.bus[1].down.Store(true)
		cut := time.Now()
		time.Sleep(3 * time.Second)
		one.wantPresent("room:1", "2 a b")
		a.changes("", "b", 1)
		if took := time.Since(cut); took > 7*time.Second {
			t.Errorf("gone after %s", took)
		}
		two.wantPresent("room:1", "1 b")
		ns.bus[1].down.Store(false)
		a.changes("b", "", 2)
		for _, n := range ns.all {
			time.Sleep(2 * time.Second)
			if got := n.present("room:1"); got != "2 a b" {
				t.Errorf("healed: %s", got)
			}
		}
	}, withPresence)
}

// TestPresenceLeavingNode: the clients of a node that shuts down have time to find another.
func TestPresenceLeavingNode(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		one, two := ns.all[0], ns.all[1]
		a, _ := one.dialV1("a")
		a.enter("room:1")
		two.dialV1("b&channels=room:1")
		two.dialV1("c&channels=room:1")
		a.changes("b c", "", 3)
		two.stop()
		time.Sleep(4 * time.Second)
		b, _ := one.dialV1("b&channels=room:1")
		a.changes("", "c", 2)
		a.quiet(6 * time.Second)
		one.wantPresent("room:1", "2 a b")
		_ = b
	}, withPresence)
}

// TestPresenceDeadNode: of the users of a node that dies, those that do not come back leave
// after the grace, once, on every node.
func TestPresenceDeadNode(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		one, two, dead := ns.all[0], ns.all[1], ns.all[2]
		a, _ := one.dialV1("a")
		a.enter("room:1")
		time.Sleep(time.Second)
		b, _ := two.dialV1("b")
		b.enter("room:1")
		time.Sleep(time.Second)
		for _, user := range []string{"a", "gone", "gone", "moves", "unsubscribes"} {
			dead.dialV1(user + "&channels=room:1")
		}
		time.Sleep(time.Second)
		a.presenceFrames()
		b.presenceFrames()
		ns.bus[2].down.Store(true)
		time.Sleep(3 * time.Second)
		two.dialV1("moves&channels=room:1")
		c, _ := one.dialV1("unsubscribes&channels=room:1")
		c.send(`{"type":"unsubscribe","ref":2,"channel":"room:1"}`)
		c.frame("ok")
		for _, n := range ns.all[:2] {
			n.wantPresent("room:1", "5 a b gone moves unsubscribes")
		}
		time.Sleep(4 * time.Second)
		for _, n := range ns.all[:2] {
			n.wantPresent("room:1", "3 a b moves")
		}
		time.Sleep(10 * time.Second)
		for _, c := range []*client{a, b} {
			if got := fmt.Sprint(c.presenceFrames()); got != "[+[] -[gone unsubscribes] 3]" {
				t.Errorf("frames after the node died: %s", got)
			}
		}
	}, withPresence)
}

// TestPresenceKickedElsewhere: a user whom the backend disconnects is in no list any more,
// wherever the connections are, and also those that were lost just before.
func TestPresenceKickedElsewhere(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		var watchers []*client
		for i, n := range ns.all {
			c, _ := n.dialV1(fmt.Sprint("w", i))
			c.enter("room:1")
			watchers = append(watchers, c)
			time.Sleep(time.Second)
		}
		lost, _ := ns.all[0].dialV1("b&channels=room:1")
		ns.all[1].dialV1("b&channels=room:1")
		ns.all[1].dialV1("b&channels=room:1")
		time.Sleep(time.Second)
		for _, c := range watchers {
			c.presenceFrames()
		}
		lost.Close()
		time.Sleep(time.Second)
		if n, err := ns.all[2].Disconnect(t.Context(), "b", ""); n != 2 || err != nil {
			t.Errorf("disconnected %d, %v", n, err)
		}
		time.Sleep(100 * time.Millisecond) // until it is announced
		for _, n := range ns.all {
			n.wantPresent("room:1", "3 w0 w1 w2")
		}
		time.Sleep(10 * time.Second)
		for i, c := range watchers {
			if got := fmt.Sprint(c.presenceFrames()); got != "[+[] -[b] 3]" {
				t.Errorf("frames at node %d: %s", i, got)
			}
		}
	}, withPresence)
}

// TestPresenceMoves: a user who has come back to another node leaves there at once: the
// grace of the first node has ended.
func TestPresenceMoves(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		one, two := ns.all[0], ns.all[1]
		b, _ := one.dialV1("b&channels=room:1")
		time.Sleep(time.Second)
		b.Close()
		time.Sleep(time.Second)
		b, _ = two.dialV1("b&channels=room:1")
		time.Sleep(time.Second)
		b.send(`{"type":"unsubscribe","ref":2,"channel":"room:1"}`)
		b.frame("ok")
		time.Sleep(100 * time.Millisecond)
		for _, n := range ns.all {
			n.wantPresent("room:1", "0")
		}
	}, withPresence)
}

// TestPresenceInfoElsewhere: all nodes show the same info of a user, the newest.
func TestPresenceInfoElsewhere(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		a, _ := ns.all[2].dialV1("a")
		a.enter("room:1")
		time.Sleep(time.Second)
		want := func(info string) {
			t.Helper()
			time.Sleep(300 * time.Millisecond) // it is announced, and announced back
			synctest.Wait()
			for i, n := range ns.all {
				if got := n.info("room:1", "b"); got != info {
					t.Errorf("node %d shows %q, want %q", i, got, info)
				}
				if got := n.present("room:1"); got != "2 a b" {
					t.Errorf("node %d: %s", i, got)
				}
			}
		}
		ns.all[0].dialV1("b&channels=room:1&info=1")
		want("1")
		b, _ := ns.all[1].dialV1("b&channels=room:1&info=2")
		want("2")
		ns.all[0].dialV1("b&channels=room:1&info=1")
		want("1")
		ns.all[1].dialV1("b&channels=room:1")
		want("1")
		b.Close()
		time.Sleep(10 * time.Second)
		want("1")
		for _, frame := range a.presenceFrames() {
			if frame != "+[b] -[] 2" {
				t.Errorf("a frame %s", frame)
			}
		}
	}, withPresence)
}
