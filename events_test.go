package wirepost_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/pebble"
)

// writing makes a server write events of these types.
func writing(types ...string) func(*wirepost.Options) {
	return func(o *wirepost.Options) {
		o.Events.Endpoints = append(o.Events.Endpoints, wirepost.EventEndpoint{Types: types})
	}
}

// logged lists the events after a sequence.
func (n *node) logged(after uint64) []wirepost.Event {
	n.t.Helper()
	list, _, err := n.ReadEvents(context.Background(), after, wirepost.MaxLimit)
	if err != nil {
		n.t.Fatal(err)
	}
	return list
}

// brief is an event in a few words.
func brief(e wirepost.Event) string {
	text := fmt.Sprint(e.Type)
	for _, part := range []string{e.User, e.Data.Device, e.Data.Channel} {
		if part != "" {
			text += " " + part
		}
	}
	if e.Data.Seq > 0 {
		text += fmt.Sprint(" ", e.Data.Seq)
	}
	if e.Data.Code > 0 {
		text += fmt.Sprint(" ", e.Data.Code)
	}
	if e.Data.Member != nil {
		text += fmt.Sprint(" ", *e.Data.Member)
	}
	return text
}

func briefs(list []wirepost.Event) (all []string) {
	for _, e := range list {
		all = append(all, brief(e))
	}
	return all
}

// wantEvents compares all events so far.
func (n *node) wantEvents(want ...string) {
	n.t.Helper()
	synctest.Wait()
	if got := briefs(n.logged(0)); !slices.Equal(got, want) {
		n.t.Fatalf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestEventsOfSessions: each session is an event, and a user is online from the first
// session until the grace after the last one.
func TestEventsOfSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, writing("user.*", "session.*"))
		phone := n.dial("42&device=phone")
		want := []string{"user.online 42", "session.connected 42 phone"}
		n.wantEvents(want...)
		laptop := n.dial("42&device=laptop", "wirepost.v1")
		time.Sleep(1500 * time.Millisecond)
		phone.leave()
		want = append(want, "session.connected 42 laptop", "session.disconnected 42 phone 1000")
		n.wantEvents(want...)
		if e := n.logged(0)[3]; *e.Data.DurationMS != 1500 || e.Data.Connection == "" || e.ID == "" || e.Seq == 0 ||
			e.Time != time.Now().UnixMilli() {
			t.Errorf("%+v, after %d ms", e, *e.Data.DurationMS)
		}
		if _, err := n.Disconnect(t.Context(), "42", ""); err != nil {
			t.Fatal(err)
		}
		laptop.closeCode()
		want = append(want, "session.disconnected 42 laptop 4409")
		time.Sleep(4900 * time.Millisecond)
		n.wantEvents(want...)
		// Within the grace.
		again := n.dial("42&device=phone")
		want = append(want, "session.connected 42 phone")
		time.Sleep(10 * time.Second)
		n.wantEvents(want...)
		again.leave()
		time.Sleep(5 * time.Second)
		want = append(want, "session.disconnected 42 phone 1000", "user.offline 42")
		n.wantEvents(want...)
		// A short visit is both.
		n.dial("7").leave()
		time.Sleep(time.Minute)
		n.wantEvents(append(want, "user.online 7", "session.connected 7", "session.disconnected 7 1000", "user.offline 7")...)
	})
}

// TestEventsAboveTheLast: a reader whose sequence is of another log is told so, and continues
// with what happens from then on.
func TestEventsAboveTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, writing("user.online"))
		if list := n.logged(9); len(list) != 1 || list[0].Type != wirepost.EventGap || list[0].Seq != 0 {
			t.Errorf("of an empty log: %+v", list)
		}
		n.dial("42")
		n.wantEvents("user.online 42")
		head := n.logged(0)[0].Seq
		list, next, err := n.ReadEvents(t.Context(), head+100, 0)
		if err != nil || next != head || len(list) != 1 || list[0].Seq != head || list[0].Type != wirepost.EventGap ||
			list[0].Data.After != head+100 || list[0].Data.ResumedAt != head+1 || list[0].Data.Reason != "reset" {
			t.Errorf("%+v, %d, %v", list, next, err)
		}
		for after, want := range map[uint64]uint64{head: head, math.MaxUint64: head} {
			if list, next, err := n.ReadEvents(t.Context(), after, 0); err != nil || next != want || len(list) != 0 {
				t.Errorf("after %d: %+v, %d, %v", after, list, next, err)
			}
		}
		for after, want := range map[uint64][]string{head + 100: {"gap", "user.online 7"}, math.MaxUint64: {"user.online 8"}} {
			var got []string
			next, stop := iter.Pull2(n.FollowEvents(t.Context(), after))
			if after != math.MaxUint64 {
				e, _, _ := next()
				got = append(got, brief(e))
			}
			user := strings.TrimPrefix(want[len(want)-1], "user.online ")
			var dialed sync.WaitGroup
			dialed.Go(func() {
				synctest.Wait() // until the reader waits; what happens before is not new to it
				n.dial(user)
			})
			e, _, _ := next()
			if stop(); !slices.Equal(append(got, brief(e)), want) {
				t.Errorf("after %d: %v, %s; want %v", after, got, brief(e), want)
			}
			dialed.Wait()
		}
	})
}

// TestEventsOfChannels: a channel is occupied while it has subscribers. Inboxes are not
// told as channels, and a filter selects some.
func TestEventsOfChannels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) {
			o.Heartbeat = 24 * time.Hour // other does not read
			o.Events.Endpoints = []wirepost.EventEndpoint{{Types: []string{"channel.*"}, Channels: []string{"room:*"}}}
		})
		c, _ := n.dialV1("42&channels=room:7,news")
		other, _ := n.dialV1("7")
		other.send(`{"type":"subscribe","ref":1,"channel":"room:7"}`)
		other.frame("ok")
		c.leave()
		time.Sleep(time.Minute)
		n.wantEvents("channel.occupied room:7")
		other.send(`{"type":"unsubscribe","ref":2,"channel":"room:7"}`)
		other.frame("ok")
		time.Sleep(time.Minute)
		n.wantEvents("channel.occupied room:7", "channel.vacated room:7")
	})
}

// TestEventsOfMessages: what a user acknowledges, reads and joins is an event, and where
// a device begins is not.
func TestEventsOfMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, writing("message.*", "membership.changed"))
		c, _ := n.dialV1("42&device=phone")
		n.json("user:42", "1")
		second := n.json("user:42", "2").Seq
		c.message("1")
		c.message("2")
		time.Sleep(time.Second)
		n.wantEvents()
		c.send(`{"type":"ack","channel":"user:42","seq":%d}`, second)
		time.Sleep(time.Second)
		want := []string{fmt.Sprint("message.acknowledged 42 phone user:42 ", second)}
		n.wantEvents(want...)
		if _, _, err := n.MarkRead(t.Context(), "42", "user:42", 1); err != nil {
			t.Fatal(err)
		}
		if err := n.Join(t.Context(), "42", "team"); err != nil {
			t.Fatal(err)
		}
		other, _ := n.dialV1("42&device=laptop")
		time.Sleep(time.Second)
		want = append(want, "message.read 42 user:42 1", "membership.changed 42 team true")
		n.wantEvents(want...)
		if err := n.Leave(t.Context(), "42", "team"); err != nil {
			t.Fatal(err)
		}
		other.message("2")
		other.send(`{"type":"ack","channel":"user:42","seq":%d}`, second)
		time.Sleep(time.Second)
		n.wantEvents(append(want, "membership.changed 42 team false", fmt.Sprint("message.acknowledged 42 laptop user:42 ", second))...)
	})
}

// TestReadAfterAcknowledged: of a plain client, an acknowledgement is one as read, too, and
// comes before it.
func TestReadAfterAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, writing("message.*"))
		c := n.dial("42")
		seq := n.json("user:42", "1").Seq
		go c.closeCode() // reads, and so answers pings, until the test ends
		time.Sleep(5 * time.Second)
		n.wantEvents(fmt.Sprint("message.acknowledged 42 user:42 ", seq), fmt.Sprint("message.read 42 user:42 ", seq))
	})
}

// TestNoEvents: nothing is written that nobody selects.
func TestNoEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t)
		n.dial("42&channels=room:7").leave()
		if err := n.Join(t.Context(), "42", "team"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		n.wantEvents()
		if channels, err := n.engine.ListChannels(t.Context(), "$", "", 10); err != nil || len(channels) > 0 {
			t.Errorf("%v, %v", channels, err)
		}
	})
}

// TestReservedNames: clients and backends cannot use the server's own channels.
func TestReservedNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, writing("*"))
		if _, resp, err := n.tryDial("user=42&channels=$events"); err == nil || resp.StatusCode != 400 {
			t.Errorf("connect: %v", resp)
		}
		c, _ := n.dialV1("42")
		for _, command := range []string{
			`{"type":"subscribe","ref":1,"channel":"$events"}`, `{"type":"publish","ref":1,"to":"$events","data":1}`,
		} {
			c.send("%s", command)
			if f := c.frame("error"); f.str("code") != "bad_request" {
				t.Errorf("%s: %v", command, f)
			}
		}
		ctx := t.Context()
		_, pushed := n.Push(ctx, wirepost.Push{To: "$x", Data: []byte("1")})
		_, _, read := n.Messages(ctx, "$events", 0, 0)
		_, channel := n.Channel(ctx, "$events")
		for what, err := range map[string]error{
			"push": pushed, "read": read, "channel": channel, "join": n.Join(ctx, "42", "$events"), "empty": n.Empty(ctx, "$events"),
		} {
			if e := wirepost.AsError(err); e == nil || e.Code != wirepost.CodeBadRequest {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// TestOnEvent: each event is passed on in order and at least once, and the position is
// kept over a restart.
func TestOnEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		var mu sync.Mutex
		var got []string
		failures := 2
		start := func() *node {
			return newPipeNode(t, onVFS(t, disk), func(o *wirepost.Options) {
				o.Events.Types = []string{"user.*"}
				o.OnEvent = func(_ context.Context, e wirepost.Event) error {
					mu.Lock()
					defer mu.Unlock()
					if e.User == "2" && failures > 0 {
						failures--
						return errors.New("not now")
					}
					got = append(got, brief(e))
					return nil
				}
			})
		}
		n := start()
		for i := range 4 {
			n.dial(fmt.Sprint(i))
		}
		time.Sleep(time.Second)
		mu.Lock()
		if want := []string{"user.online 0", "user.online 1"}; !slices.Equal(got, want) || failures != 1 && failures != 0 {
			t.Errorf("%v, %d failures left", got, failures)
		}
		mu.Unlock()
		time.Sleep(3 * time.Second)
		n.stop()
		n = start()
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(got[4:])
		want := []string{
			"user.online 0", "user.online 1", "user.online 2", "user.online 3",
			"user.offline 0", "user.offline 1", "user.offline 2", "user.offline 3",
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
		if r := n.EventStats(t.Context(), true).Readers[0]; !r.Active || r.Behind != 0 || r.Target != "OnEvent" {
			t.Errorf("%+v", r)
		}
	})
}

// onVFS makes a node keep its store on a disk in memory.
func onVFS(t testing.TB, disk vfs.FS) func(*wirepost.Options) {
	return func(o *wirepost.Options) {
		e, err := pebble.Open("store", pebble.Options{FS: disk, Logger: quietLog, MemTableBytes: 256 << 10, StallAfter: 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		o.Engine = e
	}
}

// TestOfflineAfterACrash: users that were online when the process died, and do not come
// back, are offline, once; those that come back in time never were.
func TestOfflineAfterACrash(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewCrashableMem()
		n := newPipeNode(t, onVFS(t, disk), writing("user.*"))
		for _, user := range []string{"1", "2", "3"} {
			n.dial(user)
		}
		n.dial("4").leave()
		time.Sleep(30 * time.Second)
		want := []string{"user.online 1", "user.online 2", "user.online 3", "user.online 4", "user.offline 4"}
		n.wantEvents(want...)
		crashed := disk.CrashClone(vfs.CrashCloneCfg{})
		n.stop()
		for range 2 { // the second restart tells nothing new
			disk = crashed
			n = newPipeNode(t, onVFS(t, disk), writing("user.*"))
			time.Sleep(3 * time.Second)
			two := n.dial("2")
			time.Sleep(time.Minute)
			got := briefs(n.logged(0))
			slices.Sort(got[5:])
			if !slices.Equal(got, append(want, "user.offline 1", "user.offline 3")) {
				t.Errorf("%v", got)
			}
			crashed = disk.CrashClone(vfs.CrashCloneCfg{})
			two.Close()
			n.stop()
		}
	})
}

// TestEventsAreNoChannel: the server's own channels are in no count and list of channels.
func TestEventsAreNoChannel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var called atomic.Bool
		n := newPipeNode(t, func(o *wirepost.Options) {
			o.OnEvent = func(context.Context, wirepost.Event) error { called.Store(true); return nil }
			o.Channels = []wirepost.Policy{{Pattern: "*", NonDurable: true}} // it is not for them
		})
		time.Sleep(time.Second)
		if s := n.Stats(); s.Channels != 0 || len(n.Top(10).Channels) != 0 {
			t.Errorf("%+v, %+v", s, n.Top(10))
		}
		c := n.dial("42")
		n.json("team", "1")
		time.Sleep(time.Second)
		channels, _, err := n.Channels(t.Context(), wirepost.ListQuery{Limit: 1})
		users, next, errUsers := n.Users(t.Context(), wirepost.ListQuery{Limit: 1})
		if err != nil || errUsers != nil || len(channels) != 1 || channels[0].Channel != "all" || len(users) != 1 || users[0].User != "42" || next != "42" {
			t.Errorf("%v, %v; %v, %v", channels, err, users, errUsers)
		}
		if c.Close(); !called.Load() {
			t.Error("OnEvent was not called")
		}
	})
}
