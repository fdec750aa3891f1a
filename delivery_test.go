package wirepost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/memory"
)

func TestOfflineThenOnlineThenLive(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	if p := n.text("user:42", "while away"); p.Online != 0 || p.Seq == 0 || p.ID == "" {
		t.Fatalf("push to an offline user: %+v", p)
	}
	n.json("user:42", ` { "n" : [1, 2] } `)
	c := n.dial("42")
	c.want("while away", `{"n":[1,2]}`)
	if p := n.text("user:42", "live"); p.Online != 1 {
		t.Fatalf("push to a connected user: %+v", p)
	}
	c.want("live")
	n.push(wirepost.Push{To: "user:42", Data: []byte{0xff, 0}, ContentType: "image/png"})
	if kind, data, err := c.ReadMessage(); kind != 2 || string(data) != "\xff\x00" || err != nil {
		t.Fatalf("binary message: kind %d, %q, %v", kind, data, err)
	}
}

func TestEveryConnectionGetsThePush(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	one, two, other := n.dial("42&device=a"), n.dial("42&device=a"), n.dial("42&device=b")
	if p := n.text("user:42", "x"); p.Online != 3 {
		t.Fatalf("online: %+v", p)
	}
	for _, c := range []*client{one, two, other} {
		c.want("x")
	}
}

func TestAPongAcknowledges(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.AckDelay = time.Millisecond })
	c := n.dial("42")
	n.text("user:42", "one")
	last := n.text("user:42", "two")
	c.want("one", "two")
	go c.ReadMessage() // replies to the cursor ping
	eventually(t, "the pong acknowledged", func() bool { return n.cursor("42", "user:42", "") == last.Seq })
	c.Close() // no close frame: the connection is cut
	n.gone("42")
	n.text("user:42", "three")
	n.dial("42").want("three")
}

func TestWithoutAPongAMessageIsRepeated(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.AckDelay = time.Millisecond })
	c := n.dial("42").pingless()
	pinged := make(chan struct{}, 1)
	c.SetPingHandler(func(string) error { pinged <- struct{}{}; return nil })
	n.text("user:42", "one")
	c.want("one")
	go c.ReadMessage()
	<-pinged
	c.Close()
	n.gone("42")
	n.dial("42").want("one")
}

func TestCursorPingIsLazy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) { o.Window = 10 })
		c := n.dial("42")
		begun := time.Now()
		pings := make(chan time.Duration, 16)
		reply := c.PingHandler()
		c.SetPingHandler(func(data string) error {
			pings <- time.Since(begun)
			return reply(data)
		})
		received := make(chan string, 16)
		go func() {
			for {
				_, data, err := c.ReadMessage()
				if err != nil {
					return
				}
				received <- string(data)
			}
		}()
		for i := range 3 {
			n.text("user:42", fmt.Sprint(i))
			<-received
			time.Sleep(100 * time.Millisecond)
		}
		if at := <-pings; at != 0 {
			t.Fatalf("the first cursor ping came after %s, not with the first message", at)
		}
		if got := n.cursor("42", "user:42", ""); got != 1 {
			t.Fatalf("acknowledged %d, want 1", got)
		}
		if at := <-pings; at < 1100*time.Millisecond || at > 1300*time.Millisecond {
			t.Fatalf("the second cursor ping came after %s, not one second after the second message", at)
		}
		synctest.Wait()
		if got := n.cursor("42", "user:42", ""); got != 3 {
			t.Fatalf("acknowledged %d, want 3", got)
		}
		for i := range 5 { // half a window
			n.text("user:42", fmt.Sprint(i))
			<-received
		}
		synctest.Wait()
		if len(pings) != 1 {
			t.Fatalf("%d pings at half a window, want one at once", len(pings))
		}
		if got := n.cursor("42", "user:42", ""); got != 8 {
			t.Fatalf("acknowledged %d, want 8", got)
		}
	})
}

// TestAnIdleUserIsEvictedAndReloaded: the server evicts the state of an idle connected
// user, and loads it for the next acknowledgement.
func TestAnIdleUserIsEvictedAndReloaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t)
		plain := n.dial("42&device=plain")
		v1, _ := n.dialV1("42&device=v1")
		for i := 1; i <= 3; i++ {
			time.Sleep(20 * time.Second)
			n.json("user:42", fmt.Sprint(i))
			plain.want(fmt.Sprint(i))
			m := v1.message(fmt.Sprint(i))
			v1.send(`{"type":"ack","channel":"user:42","seq":%d}`, m.num("seq"))
			done := make(chan error, 1)
			go func() { // the pong is sent while reading
				plain.SetReadDeadline(time.Now().Add(2 * time.Second))
				_, _, err := plain.ReadMessage()
				done <- err
			}()
			// An acknowledgement of the plain client counts as read, of which the other one is notified.
			if s := v1.frame("state"); s.num("read") != uint64(i) || s.num("unread") != 0 {
				t.Fatalf("state: %v", s)
			}
			<-done
			for _, device := range []string{"plain", "v1"} {
				if got := n.cursor("42", "user:42", device); got != uint64(i) {
					t.Fatalf("%s acknowledged %d, want %d", device, got, i)
				}
			}
			plain.Close()
			time.Sleep(time.Second)
			plain = n.dial("42&device=plain")
		}
	})
}

func TestWindowLimitsUnacknowledgedMessages(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.Window, o.WindowBytes = 4, 100 })
	c, _ := n.dialV1("42")
	for i := range 10 {
		n.json("user:42", fmt.Sprint(i))
	}
	var last frame
	for i := range 4 {
		last = c.message(fmt.Sprint(i))
	}
	// Only an acknowledgement makes room: the next message after it is number 4.
	c.send(`{"type":"subscribe","ref":1,"channel":"news"}`)
	c.frame("ok")
	c.send(`{"type":"ack","channel":"user:42","seq":%d}`, last.num("seq"))
	for i := 4; i < 8; i++ {
		last = c.message(fmt.Sprint(i))
	}
	c.send(`{"type":"ack","channel":"user:42","seq":%d}`, last.num("seq"))
	c.message("8")
	last = c.message("9")
	c.send(`{"type":"ack","channel":"user:42","seq":%d}`, last.num("seq"))

	big := `"` + strings.Repeat("x", 300) + `"`
	n.json("user:42", big) // larger than the window: alone in it
	n.json("user:42", "1")
	last = c.message(big)
	c.send(`{"type":"subscribe","ref":2,"channel":"more"}`)
	c.frame("ok")
	c.send(`{"type":"ack","channel":"user:42","seq":%d}`, last.num("seq"))
	c.message("1")
}

func TestDevicesResumeIndependently(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	phone, hello := n.dialV1("42&device=phone")
	if hello.str("device") != "phone" || hello.str("user") != "42" || hello.str("epoch") == "" || hello.str("connection") == "" {
		t.Fatalf("hello: %v", hello)
	}
	n.dialV1("42&device=desk")
	for i := 1; i <= 3; i++ {
		n.json("user:42", fmt.Sprint(i))
	}
	phone.message("1")
	second := phone.message("2")
	phone.send(`{"type":"ack","channel":"user:42","seq":%d}`, second.num("seq"))
	eventually(t, "acknowledged", func() bool { return n.cursor("42", "user:42", "phone") == second.num("seq") })
	phone.Close()

	again, hello := n.dialV1("42&device=phone")
	if p := hello.channel("user:42"); p.num("seq") != 3 || p["resumed"] != true || p.num("unread") != 3 {
		t.Fatalf("hello: %v", hello)
	}
	if m := again.message("3"); m.num("prev") != second.num("seq") {
		t.Fatalf("prev: %v", m)
	}
	desk, _ := n.dialV1("42&device=desk")
	desk.message("1") // it acknowledged nothing
	tablet, _ := n.dialV1("42&device=tablet")
	tablet.message("1") // new: it starts at the read mark
}

func TestANewDeviceStartsAtTheReadMark(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for i := 1; i <= 3; i++ {
		n.json("user:42", fmt.Sprint(i))
	}
	if read, unread, err := n.MarkRead(t.Context(), "42", "user:42", 2); read != 2 || unread != 1 || err != nil {
		t.Fatalf("read mark: %d, unread %d, %v", read, unread, err)
	}
	c, hello := n.dialV1("42&device=new")
	c.message("3")
	if p := hello.channel("user:42"); p.num("read") != 2 || p.num("unread") != 1 || p.num("oldest") != 1 {
		t.Fatalf("hello: %v", hello)
	}
	c.Close()
	n.gone("42")
	// Its start was stored: a read on another device does not move it.
	if _, _, err := n.MarkRead(t.Context(), "42", "user:42", 3); err != nil {
		t.Fatal(err)
	}
	c, _ = n.dialV1("42&device=new")
	c.message("3")
}

func TestReadClearsOnEveryDevice(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	phone, _ := n.dialV1("42&device=phone")
	desk, _ := n.dialV1("42&device=desk")
	n.json("user:42", "1")
	m := n.json("user:42", "2")
	for _, c := range []*client{phone, desk} {
		c.message("1")
		c.message("2")
	}
	phone.send(`{"type":"read","channel":"user:42","seq":%d}`, m.Seq+1000) // clamped to the head
	for _, c := range []*client{phone, desk} {
		if s := c.frame("state"); s.num("read") != m.Seq || s.num("unread") != 0 {
			t.Fatalf("state: %v", s)
		}
	}
	phone.send(`{"type":"read","channel":"user:42","seq":1}`) // lower: ignored
	n.json("user:42", "3")
	phone.message("3")
	if _, hello := n.dialV1("42"); hello.channel("user:42").num("unread") != 1 {
		t.Fatalf("hello: %v", hello)
	}
}

// TestStateIsRequested: the server sends the state, for example after a message with a
// key may have replaced an unread one, only to the client that requests it.
func TestStateIsRequested(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	phone, _ := n.dialV1("42&device=phone")
	desk, _ := n.dialV1("42&device=desk")
	for i := range 3 {
		m := n.push(wirepost.Push{To: "user:42", Data: fmt.Append(nil, i), Key: "k"})
		for _, c := range []*client{phone, desk} {
			c.message(fmt.Sprint(i))
		}
		phone.send(`{"type":"state","channel":"user:42"}`)
		if s := phone.frame("state"); s.num("seq") != m.Seq || s.num("read") != 0 || s.num("unread") != 1 {
			t.Fatalf("state: %v", s)
		}
	}
	n.json("user:42", "3")
	desk.message("3") // with no state before it

	phone.message("3")
	phone.send(`{"type":"state","ref":"a","channel":"user:42"}`)
	phone.send(`{"type":"state","ref":2,"channel":"user:42"}`)
	for _, ref := range []any{"a", 2.0} {
		if s := phone.frame("state"); s["ref"] != ref || s.num("unread") != 2 {
			t.Fatalf("state with the ref %v: %v", ref, s)
		}
	}
}

func TestAllReachesOfflineUsers(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.json("all", `"before"`) // no user is known yet
	ann, _ := n.dialV1("ann")
	bob, _ := n.dialV1("bob")
	bob.leave()
	n.gone("bob")
	if p := n.json("all", `"news"`); p.Online != 1 {
		t.Fatalf("push to all: %+v", p)
	}
	ann.message(`"news"`)
	bob, _ = n.dialV1("bob")
	bob.message(`"news"`)
	bob, _ = n.dialV1("bob&device=second")
	bob.message(`"news"`)
}

func TestMembershipCollectsMessagesWhileOffline(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	c, _ := n.dialV1("42")
	n.json("room:7", `"too early"`)
	if err := n.Join(t.Context(), "42", "room:7"); err != nil {
		t.Fatal(err)
	}
	if f := c.frame("subscribed"); f.str("channel") != "room:7" {
		t.Fatal(f)
	}
	n.json("room:7", `"live"`)
	live := c.message(`"live"`)
	c.send(`{"type":"ack","channel":"room:7","seq":%d}`, live.num("seq"))
	c.leave()
	n.gone("42")
	n.json("room:7", `"away"`)
	c, hello := n.dialV1("42")
	c.message(`"away"`)
	if p := hello.channel("room:7"); p.num("unread") != 2 {
		t.Fatalf("hello: %v", hello)
	}
	if err := n.Leave(t.Context(), "42", "room:7"); err != nil {
		t.Fatal(err)
	}
	if f := c.frame("unsubscribed"); f.str("channel") != "room:7" {
		t.Fatal(f)
	}
	if err := n.Leave(t.Context(), "42", "room:7"); err == nil {
		t.Fatal("left twice")
	}
	if p := n.json("room:7", "1"); p.Online != 0 {
		t.Fatalf("still subscribed: %+v", p)
	}
}

func TestMembershipsAndTheClientsOwnSubscriptions(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	if err := n.Join(t.Context(), "42", "room:7"); err != nil {
		t.Fatal(err)
	}
	c, _ := n.dialV1("42")
	c.send(`{"type":"unsubscribe","ref":1,"channel":"room:7"}`)
	c.frame("ok")
	m := n.json("room:7", "1")
	c.send(`{"type":"subscribe","ref":2,"channel":"room:7"}`) // goes on where the device is
	c.frame("ok")
	c.message("1")
	c.send(`{"type":"ack","channel":"room:7","seq":%d}`, m.Seq)
	eventually(t, "acknowledged", func() bool { return n.cursor("42", "room:7", "") == m.Seq })
	if err := n.Leave(t.Context(), "42", "room:7"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "left", func() bool {
		info, err := n.User(t.Context(), "42")
		_, member := info.Channels["room:7"]
		return err == nil && !member
	})
	n.json("room:7", "2") // the client's own subscription goes on
	c.message("2")
}

// A client that has unsubscribed a membership is not subscribed to it again by something
// else: by another subscription, another membership or a new token.
func TestUnsubscribedMembership(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	join := func(channel string) {
		if err := n.Join(t.Context(), "42", channel); err != nil {
			t.Fatal(err)
		}
	}
	join("room:7")
	c, _ := n.dialV1("42")
	c.send(`{"type":"unsubscribe","ref":1,"channel":"room:7"}`)
	c.frame("ok")
	c.send(`{"type":"subscribe","ref":2,"channel":"news"}`)
	c.frame("ok")
	join("room:8")
	if f := c.frame("subscribed"); f.str("channel") != "room:8" {
		t.Fatal(f)
	}
	if p := n.json("room:7", "1"); p.Online != 0 {
		t.Fatalf("subscribed again: %+v", p)
	}
	if err := n.Leave(t.Context(), "42", "room:7"); err != nil {
		t.Fatal(err)
	}
	c.send(`{"type":"state","ref":3,"channel":"user:42"}`) // the session has noticed that
	c.frame("state")
	join("room:7") // a new membership
	if f := c.frame("subscribed"); f.str("channel") != "room:7" {
		t.Fatal(f)
	}
	c.send(`{"type":"unsubscribe","ref":4,"channel":"room:7"}`)
	c.frame("ok")
	c.send(`{"type":"subscribe","ref":5,"channel":"room:7"}`)
	c.frame("ok")
	n.json("room:7", "2")
	c.message("2")
	if err := n.Leave(t.Context(), "42", "room:8"); err != nil {
		t.Fatal(err)
	}
	if f := c.frame("unsubscribed"); f.str("channel") != "room:8" {
		t.Fatal(f)
	}
}

// A member may subscribe to the channel, also where neither the token nor the policy allows
// it: otherwise what the client unsubscribed would be lost to the session.
func TestMembersSubscribe(t *testing.T) {
	t.Parallel()
	n := newNode(t, byRights)
	for _, channel := range []string{"team", "backend:1"} {
		if err := n.Join(t.Context(), "42", channel); err != nil {
			t.Fatal(err)
		}
		m := n.json(channel, "1")
		c, _ := n.dialV1("42&token=" + url.QueryEscape(rights{}.token()))
		c.message("1")
		c.send(`{"type":"subscribe","ref":1,"channel":%q,"after":0}`, channel)
		c.frame("ok")
		c.message("1")
		c.send(`{"type":"unsubscribe","ref":2,"channel":%q}`, channel)
		c.frame("ok")
		c.send(`{"type":"history","ref":3,"channel":%q}`, channel)
		c.frame("ok")
		c.send(`{"type":"subscribe","ref":4,"channel":%q}`, channel)
		c.frame("ok")
		c.message("1")
		c.send(`{"type":"ack","channel":%q,"seq":%d}`, channel, m.Seq)
		eventually(t, "acknowledged", func() bool { return n.cursor("42", channel, "") == m.Seq })
		if err := n.Leave(t.Context(), "42", channel); err != nil {
			t.Fatal(err)
		}
		if f := c.frame("unsubscribed"); f.str("channel") != channel {
			t.Fatal(f)
		}
		c.send(`{"type":"subscribe","ref":5,"channel":%q}`, channel)
		if f := c.frame("error"); f.str("code") != "forbidden" {
			t.Fatal(f)
		}
	}
}

func TestSubscribeBeforeThePushAndAfterASequence(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for i := 1; i <= 3; i++ {
		n.json("news", fmt.Sprint(i))
	}
	c, _ := n.dialV1("42")
	c.send(`{"type":"subscribe","ref":"a","channel":"news","after":1}`)
	ok := c.frame("ok")
	if ok["ref"] != "a" || ok.num("seq") != 3 || ok.num("oldest") != 1 || ok["resumed"] != true {
		t.Fatalf("ok: %v", ok)
	}
	c.message("2")
	c.message("3")
	n.json("news", "4")
	c.message("4")
	c.send(`{"type":"unsubscribe","ref":2,"channel":"news"}`)
	c.frame("ok")
	if p := n.json("news", "5"); p.Online != 0 {
		t.Fatalf("still subscribed: %+v", p)
	}
	plain := n.dial("43&channels=news&after=news=3")
	plain.want("4", "5")
}

func TestCollapseRevokeAndTTLLeaveNoGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t)
		push := func(data, key string, ttl time.Duration) wirepost.PushResult {
			return n.push(wirepost.Push{To: "user:42", Data: []byte(data), Key: key, TTL: ttl})
		}
		push("1", "k", 0)
		push("2", "", time.Minute)
		third := push("3", "", 0)
		push("4", "k", 0)
		push("5", "", 0)
		if _, err := n.Revoke(context.Background(), "user:42", third.Seq); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Revoke(context.Background(), "user:42", third.Seq); wirepost.AsError(err).Code != wirepost.CodeNotFound {
			t.Fatalf("revoked twice: %v", err)
		}
		time.Sleep(2 * time.Minute)
		c, hello := n.dialV1("42")
		if p := hello.channel("user:42"); p.num("unread") != 2 || p["resumed"] != true {
			t.Fatalf("hello: %v", hello)
		}
		c.message("4")
		c.message("5")
		if r := c.frame("revoke"); r.num("revoked") != third.Seq || r.str("id") != third.ID {
			t.Fatalf("revoke: %v", r)
		}
		live := push("6", "", 0)
		c.message("6")
		if _, err := n.Revoke(context.Background(), "user:42", live.Seq); err != nil {
			t.Fatal(err)
		}
		if r := c.frame("revoke"); r.num("revoked") != live.Seq {
			t.Fatalf("revoke: %v", r)
		}
	})
}

func TestARepeatGetsTheFirstResult(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	c := n.dial("42")
	first := n.push(wirepost.Push{To: "user:42", Data: []byte("1"), ID: "order-7"})
	again := n.push(wirepost.Push{To: "user:42", Data: []byte("2"), ID: "order-7"})
	if !again.Duplicate || again.Seq != first.Seq || first.Duplicate || again.ID != "order-7" {
		t.Fatalf("first %+v, then %+v", first, again)
	}
	n.json("user:42", "3")
	c.want("1", "3")
}

func TestRetentionCausesAGap(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		o.Channels = []wirepost.Policy{{Pattern: "user:*", MaxMessages: 3}}
	})
	c, _ := n.dialV1("42")
	n.json("user:42", "1")
	c.message("1")
	c.send(`{"type":"ack","channel":"user:42","seq":1}`)
	c.leave()
	eventually(t, "the feed is gone", func() bool { return n.Feeds() == 0 }) // its tail would still have 2 and 3
	for i := 2; i <= 6; i++ {
		n.json("user:42", fmt.Sprint(i))
	}
	c, hello := n.dialV1("42")
	if p := hello.channel("user:42"); p["resumed"] != false || p.num("oldest") != 4 {
		t.Fatalf("hello: %v", hello)
	}
	if g := c.frame("gap"); g.num("after") != 1 || g.num("resumed_at") != 4 {
		t.Fatalf("gap: %v", g)
	}
	for i := 4; i <= 6; i++ {
		c.message(fmt.Sprint(i))
	}
	n.dial("42&device=plain").want("4", "5", "6") // skipped, and counted
	if got := n.Stats().Gaps; got != 2 {
		t.Fatalf("%d gaps counted, want 2", got)
	}
}

func TestAnEmptiedChannelIsAGap(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.json("user:42", "1")
	n.json("user:42", "2")
	if err := n.Empty(t.Context(), "user:42"); err != nil {
		t.Fatal(err)
	}
	c, hello := n.dialV1("42")
	if p := hello.channel("user:42"); p["resumed"] != false || p.num("oldest") != 0 || p.num("seq") != 2 {
		t.Fatalf("hello: %v", hello)
	}
	n.json("user:42", "3")
	if g := c.frame("gap"); g.num("after") != 0 || g.num("resumed_at") != 3 {
		t.Fatalf("gap: %v", g)
	}
	c.message("3")
}

func TestMaxAgeIsAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) {
			o.Channels = []wirepost.Policy{{Pattern: "*", MaxAge: time.Hour}}
		})
		n.json("user:42", "1")
		time.Sleep(50 * time.Minute)
		n.json("user:42", "2")
		time.Sleep(20 * time.Minute)
		c, _ := n.dialV1("42")
		if g := c.frame("gap"); g.num("after") != 0 || g.num("resumed_at") != 2 {
			t.Fatalf("gap: %v", g)
		}
		c.message("2")
	})
}

func TestMemoryOnlyChannels(t *testing.T) {
	t.Parallel()
	eng := memory.New(memory.Options{})
	n := newNode(t, func(o *wirepost.Options) {
		o.Engine = eng
		o.Channels = []wirepost.Policy{{Pattern: "typing:*", NonDurable: true}}
	})
	c := n.dial("42&channels=typing:7")
	n.text("typing:7", "ann types")
	c.want("ann types")
	if b, err := eng.Bounds(t.Context(), "typing:7"); err != nil || b.Head != 0 {
		t.Fatalf("a memory-only channel reached the engine: %+v, %v", b, err)
	}
}

// TestAMemoryOnlyChannelAfterARestart: a client reconnects with its position in a
// channel that began anew meanwhile.
func TestAMemoryOnlyChannelAfterARestart(t *testing.T) {
	t.Parallel()
	typing := func(o *wirepost.Options) {
		o.Channels = []wirepost.Policy{{Pattern: "typing:*", NonDurable: true}}
	}
	before := newNode(t, typing)
	var last wirepost.PushResult
	for range 10 {
		last = before.json("typing:7", `"old"`)
	}
	after := newNode(t, typing)
	first := after.json("typing:7", `"new"`)
	if first.Seq <= last.Seq {
		t.Errorf("after the restart comes %d, before it came %d", first.Seq, last.Seq)
	}
	c, hello := after.dialV1(fmt.Sprintf("42&channels=typing:7&after=typing:7=%d", last.Seq))
	if p := hello.channel("typing:7"); p["resumed"] != false {
		t.Errorf("hello: %v", hello)
	}
	if g := c.frame("gap"); g.num("after") != last.Seq || g.num("resumed_at") != first.Seq {
		t.Errorf("gap: %v", g)
	}
	c.message(`"new"`)

	// The same before anything is written to the channel after the restart.
	c.send(`{"type":"subscribe","ref":1,"channel":"typing:8","after":%d}`, last.Seq)
	if ok := c.frame("ok"); ok["resumed"] != false || ok.num("seq") <= last.Seq {
		t.Errorf("subscribe: %v", ok)
	}
	first = after.json("typing:8", `"new"`)
	if g := c.frame("gap"); g.num("after") != last.Seq || g.num("resumed_at") != first.Seq {
		t.Errorf("gap: %v", g)
	}
	c.message(`"new"`)
	for _, channel := range []string{"typing:8", "typing:9"} { // 0 is whatever is there
		c.send(`{"type":"subscribe","ref":2,"channel":"%s","after":0}`, channel)
		if ok := c.frame("ok"); ok["resumed"] != true {
			t.Errorf("subscribe to %s after 0: %v", channel, ok)
		}
		if channel == "typing:9" {
			after.json(channel, `"new"`)
		}
		c.message(`"new"`)
	}
}

// TestAGapComesBeforeARevocation: a client is notified of lost messages before anything
// that it may acknowledge, in every mode that has gaps.
func TestAGapComesBeforeARevocation(t *testing.T) {
	t.Parallel()
	limit := func(o *wirepost.Options) { o.Channels = []wirepost.Policy{{Pattern: "user:*", MaxMessages: 2}} }
	n := newNode(t, limit)
	devices := []string{"v1", "sse", "poll", "plain"}
	for _, device := range devices {
		c, _ := n.dialV1("42&device=" + device)
		if device == devices[0] {
			n.json("user:42", "1")
		}
		c.message("1")
		c.send(`{"type":"ack","channel":"user:42","seq":1}`)
		c.leave()
	}
	// The next server has no tail with the lost messages.
	if err := n.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	store := n.engine
	n = newNode(t, limit, func(o *wirepost.Options) { o.Engine = store })
	for i := 2; i <= 6; i++ {
		n.json("user:42", fmt.Sprint(i))
	}
	for _, seq := range []uint64{5, 6} {
		if _, err := n.Revoke(t.Context(), "user:42", seq); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"gap 1 7", "revoke 5", "revoke 6"}
	describe := func(object string) string {
		var f frame
		if err := json.Unmarshal([]byte(object), &f); err != nil {
			t.Fatal(object, err)
		}
		if f.str("type") == "gap" {
			return fmt.Sprint("gap ", f.num("after"), " ", f.num("resumed_at"))
		}
		return fmt.Sprint(f.str("type"), " ", f.num("revoked"))
	}
	c, hello := n.dialV1("42&device=v1")
	if p := hello.channel("user:42"); p["resumed"] != false {
		t.Errorf("hello: %v", hello)
	}
	for i, w := range want {
		if got := describe(c.next()); got != w {
			t.Errorf("frame %d is %s, want %s", i, got, w)
		}
	}
	stream := n.events("42&device=sse")
	for i, w := range want {
		if data, ok := stream.next(); !ok || describe(data) != w {
			t.Errorf("event %d is %s, want %s", i, data, w)
		}
	}
	objects := n.poll("42&device=poll&wait=0").Messages
	for i, w := range want {
		if i >= len(objects) || describe(string(objects[i])) != w {
			t.Errorf("the poll brought %s, want %v", objects, want)
			break
		}
	}
	// Plain mode has no gaps; the acknowledged position stays before the gap until a
	// message after it.
	n.json("user:42", "9")
	n.dial("42&device=plain").want("9")
	if got := n.Stats().Gaps; got != 4 {
		t.Errorf("%d gaps counted, want 4", got)
	}
}
