package wirepost_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/pebble"
)

const clusterShards = 2

var quietLog = slog.New(slog.DiscardHandler)

// nodes is a cluster in one process, inside a synctest bubble.
type nodes struct {
	all []*node
	bus []*line
	way []*logtest.Link // of each node to the log
	log *logtest.Memory
}

// line is the connection of a node to the bus.
type line struct {
	logtest *logtest.Bus
	down    atomic.Bool // nothing gets through
}

func (l *line) Publish(ctx context.Context, topic string, data []byte) error {
	if l.down.Load() {
		return nil
	}
	return l.logtest.Publish(ctx, topic, data)
}

func (l *line) Request(ctx context.Context, topic string, data []byte) ([]byte, error) {
	if l.down.Load() {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return l.logtest.Request(ctx, topic, data)
}

func (l *line) Subscribe(topic string, f func([]byte) []byte) (func(), error) {
	return l.logtest.Subscribe(topic, func(data []byte) []byte {
		if l.down.Load() {
			return nil
		}
		return f(data)
	})
}

// newNodes starts a cluster of n nodes, called a, b and so on.
func newNodes(t testing.TB, n int, change ...func(*wirepost.Options)) *nodes {
	t.Helper()
	ns := &nodes{log: logtest.NewMemory(clusterShards)}
	bus := &logtest.Bus{}
	for i := range n {
		l := &line{logtest: bus}
		ns.bus = append(ns.bus, l)
		way := &logtest.Link{}
		ns.way = append(ns.way, way)
		open := func(o *wirepost.Options) { o.Engine = newReplicated(t, string(rune('a'+i)), way.Log(ns.log), l) }
		ns.all = append(ns.all, newPipeNode(t, slices.Concat(change, []func(*wirepost.Options){open})...))
	}
	synctest.Wait()
	return ns
}

func newReplicated(t testing.TB, name string, log cluster.Log, bus engine.Bus) *cluster.Engine {
	t.Helper()
	of := func(channel string) int { return cluster.ShardOf(channel, clusterShards) }
	replica, err := pebble.OpenReplica("store", clusterShards, of, pebble.Options{
		FS: vfs.NewMem(), Logger: quietLog, MemTableBytes: 256 << 10, StallAfter: 24 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := cluster.Open(t.Context(), cluster.Options{
		Name: "test", Node: name, Log: log, Bus: bus, Replica: replica, Shards: clusterShards, Logger: quietLog,
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// inCluster runs a test with a cluster of n nodes in a bubble.
func inCluster(t *testing.T, n int, test func(t *testing.T, ns *nodes), change ...func(*wirepost.Options)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newNodes(t, n, change...)) })
}

// TestOneInbox: a user is the same on every node.
func TestOneInbox(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		a, b := ns.all[0], ns.all[1]
		c, _ := a.dialV1("42&device=phone")
		other, _ := b.dialV1("42&device=laptop")
		b.json("user:42", "1")
		a.json("user:42", "2")
		c.message("1")
		seq := c.message("2").num("seq")
		other.message("1")
		other.message("2")
		c.send(`{"type":"ack","channel":"user:42","seq":%d}`, seq)
		c.leave()
		time.Sleep(time.Second)
		c, hello := b.dialV1("42&device=phone")
		if got := hello.channel("user:42"); got.num("seq") != seq || got["resumed"] != true {
			t.Errorf("hello on the other node: %v", got)
		}
		a.json("user:42", "3")
		c.message("3") // and nothing before it
		other.message("3")
	})
}

// TestReadElsewhere: a read mark that is moved on one node is told to the sessions on all.
func TestReadElsewhere(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		a, b := ns.all[0], ns.all[1]
		c, _ := a.dialV1("42&device=phone")
		other, _ := b.dialV1("42&device=laptop")
		seq := a.json("user:42", "1").Seq
		c.message("1")
		other.message("1")
		time.Sleep(10 * time.Second) // the state of the user is not in memory any more
		for range 2 {
			c.send(`{"type":"read","channel":"user:42","seq":%d}`, seq)
			for _, ws := range []*client{c, other} {
				if f := ws.frame("state"); f.num("read") != seq || f.num("unread") != 0 {
					t.Errorf("state: %v", f)
				}
			}
			seq = b.json("user:42", "2").Seq
			c.message("2")
			other.message("2")
		}
		// By a backend.
		if _, _, err := b.MarkRead(t.Context(), "42", "user:42", seq); err != nil {
			t.Fatal(err)
		}
		for _, ws := range []*client{c, other} {
			if f := ws.frame("state"); f.num("read") != seq {
				t.Errorf("state: %v", f)
			}
		}
	})
}

// TestMembershipElsewhere: a membership that begins or ends on one node subscribes the
// sessions on all.
func TestMembershipElsewhere(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		a, b := ns.all[0], ns.all[1]
		c, _ := b.dialV1("42&device=phone")
		for i := range 3 {
			if i == 1 {
				time.Sleep(10 * time.Second)
			}
			if err := a.Join(t.Context(), "42", "team"); err != nil {
				t.Fatal(err)
			}
			if f := c.frame("subscribed"); f.str("channel") != "team" {
				t.Errorf("got %v", f)
			}
			synctest.Wait()
			a.json("team", fmt.Sprint(i))
			c.message(fmt.Sprint(i))
			if i == 1 {
				time.Sleep(10 * time.Second)
			}
			// Whoever ends it, both know at once that it has ended.
			if err := b.Leave(t.Context(), "42", "team"); err != nil {
				t.Fatal(err)
			}
			if f := c.frame("unsubscribed"); f.str("channel") != "team" {
				t.Errorf("got %v", f)
			}
			if err := a.Leave(t.Context(), "42", "team"); err == nil {
				t.Error("the membership ended twice")
			}
		}
	})
}

// TestRejoinElsewhere: joining again on a node that does not know of the membership yet
// changes nothing, as it does on the node that made it.
func TestRejoinElsewhere(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		a, b := ns.all[0], ns.all[1]
		ctx := t.Context()
		for _, n := range ns.all {
			if _, err := n.User(ctx, "42"); err != nil { // it is in memory
				t.Fatal(err)
			}
		}
		if err := a.Join(ctx, "42", "team"); err != nil {
			t.Fatal(err)
		}
		a.json("team", "1")
		if err := b.Join(ctx, "42", "team"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i, n := range ns.all {
			info, err := n.User(ctx, "42")
			if got := info.Channels["team"]; err != nil || got.Read != 0 || got.Unread != 1 {
				t.Errorf("node %d: %+v, %v", i, got, err)
			}
		}
		if _, _, err := b.MarkRead(ctx, "42", "team", 1); err != nil {
			t.Error(err)
		}
	})
}

// TestNewDeviceElsewhere: a device that connects to several nodes at the same time begins
// at one position, and misses nothing on any of them.
func TestNewDeviceElsewhere(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		a, b := ns.all[0], ns.all[1]
		for i := range 20 {
			user := fmt.Sprint("u", i)
			a.json("all", "0")
			first, _ := a.dialV1(user)
			head := a.json("all", "1").Seq
			second, hello := b.dialV1(user)
			first.message("1")
			if read := hello.channel("all").num("read"); read >= head {
				t.Fatalf("%s begins at %d on the second node, after a message for the user", user, read)
			}
			second.message("1")
			first.Close()
			second.Close()
		}
	})
}

// TestRevokedElsewhere: a revocation on one node closes the connections to all.
func TestRevokedElsewhere(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		a, b := ns.all[0], ns.all[1]
		issued := time.Now().Unix()
		dial := func(n *node, at int64) (*client, *http.Response) {
			c, resp, _ := n.tryDial(fmt.Sprintf("token=42.%d", at))
			return c, resp
		}
		c, _ := dial(b, issued)
		time.Sleep(10 * time.Second)
		fresh, _ := dial(b, issued+5)
		if _, err := a.RevokeTokens(t.Context(), "42", time.Unix(issued+2, 0)); err != nil {
			t.Fatal(err)
		}
		if code := c.closeCode(); code != 4401 {
			t.Errorf("closed with %d", code)
		}
		if b.online("42") != 1 {
			t.Error("the connection with the new token was closed, too")
		}
		synctest.Wait() // until the other node has applied the revocation
		if _, resp := dial(b, issued); resp == nil || resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("the old token: %v", resp)
		}
		fresh.Close()
	}, issuedTokens)
}

// announced lets the nodes announce their connections.
func announced() {
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

// TestOnlineElsewhere: whoever asks, a user has all connections.
func TestOnlineElsewhere(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		a, b, c := ns.all[0], ns.all[1], ns.all[2]
		ctx := t.Context()
		a.dialV1("42&device=phone")
		b.dialV1("42&device=laptop&channels=room")
		other := b.dial("43&channels=room")
		announced()
		for i, n := range ns.all {
			if got := n.online("42"); got != 2 {
				t.Errorf("node %d: 42 is online %d times", i, got)
			}
			info, err := n.Channel(ctx, "room")
			if err != nil || info.Subscribers != 2 {
				t.Errorf("node %d: %+v, %v", i, info, err)
			}
			var devices []string
			for _, ses := range n.sessions("42") {
				devices = append(devices, ses.Device)
				if ses.User != "42" || ses.Connection == "" || ses.Mode != "wirepost.v1" || ses.Since.IsZero() {
					t.Errorf("node %d: %+v", i, ses)
				}
			}
			if slices.Sort(devices); !slices.Equal(devices, []string{"laptop", "phone"}) {
				t.Errorf("node %d: the devices are %v", i, devices)
			}
			users := map[string]int{}
			for user, n := range n.OnlineUsers() {
				users[user] += n
			}
			if !maps.Equal(users, map[string]int{"42": 2, "43": 1}) {
				t.Errorf("node %d: online are %v", i, users)
			}
			if got := n.text("user:42", "x").Online; got != 2 {
				t.Errorf("node %d: a push reaches %d connections", i, got)
			}
		}
		other.leave()
		announced()
		if n := c.online("43"); n != 0 {
			t.Errorf("43 is online %d times", n)
		}

		// A node that does not answer.
		ns.bus[1].down.Store(true)
		info, err := c.User(ctx, "42")
		if err != nil || !info.Incomplete || info.Online != 2 || len(info.Sessions) != 1 {
			t.Errorf("user: %+v, %v", info, err)
		}
		time.Sleep(time.Second) // now it has no sessions
		info, err = c.User(ctx, "42")
		if err != nil || info.Incomplete || info.Online != 1 {
			t.Errorf("user: %+v, %v", info, err)
		}
		ns.bus[1].down.Store(false)
		time.Sleep(2 * time.Second)
		if got := c.online("42"); got != 2 {
			t.Errorf("42 is online %d times after the node came back", got)
		}
	})
}

// TestKickElsewhere: a user is disconnected from all nodes.
func TestKickElsewhere(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		a, b, c := ns.all[0], ns.all[1], ns.all[2]
		ctx := t.Context()
		for _, pause := range []func(){func() {}, announced} { // whether or not the others know of them
			clients := []*client{a.dial("42"), b.dial("42"), c.dial("42"), c.dial("42")}
			pause()
			if n, err := a.Disconnect(ctx, "42", ""); err != nil || n != 4 {
				t.Errorf("disconnected %d, %v", n, err)
			}
			for _, ws := range clients {
				if code := ws.closeCode(); code != 4409 {
					t.Errorf("closed with %d", code)
				}
			}
			// One of them.
			ws := b.dial("42")
			pause()
			one := b.sessions("42")[0].Connection
			if err := c.SendTo(ctx, "42", one, wirepost.Frame{Data: []byte("hello")}); err != nil {
				t.Fatal(err, b.sessions("42"))
			}
			ws.want("hello")
			if err := c.CloseConnection(ctx, "42", one, wirepost.CloseInfo{Code: 4000, Reason: "bye"}); err != nil {
				t.Error(err)
			}
			if code := ws.closeCode(); code != 4000 {
				t.Errorf("closed with %d", code)
			}
			v1, hello := b.dialV1("42")
			if err := a.SendTo(ctx, "42", hello.str("connection"), wirepost.Frame{Data: []byte("x")}); !errors.Is(err, wirepost.ErrBadRequest) {
				t.Errorf("sent a frame to wirepost.v1: %v", err)
			}
			if n, err := a.Disconnect(ctx, "42", hello.str("connection")); err != nil || n != 1 {
				t.Errorf("disconnected %d, %v", n, err)
			}
			v1.closeCode()
			if _, err := a.Disconnect(ctx, "42", "unknown"); !errors.Is(err, wirepost.ErrNotFound) {
				t.Errorf("an unknown connection: %v", err)
			}
			time.Sleep(10 * time.Second)
		}

		// A node that does not answer.
		ws := b.dial("42")
		one := b.sessions("42")[0].Connection
		announced()
		ns.bus[1].down.Store(true)
		if n, err := a.Disconnect(ctx, "42", ""); !errors.Is(err, wirepost.ErrIncomplete) || n != 0 {
			t.Errorf("disconnected %d, %v", n, err)
		}
		if _, err := a.Disconnect(ctx, "42", one); !errors.Is(err, wirepost.ErrUnavailable) {
			t.Errorf("a connection that may exist: %v", err)
		}
		ws.Close()
	})
}

// TestRevocationsAreCounted: a revocation counts the connections to all nodes.
func TestRevocationsAreCounted(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		issued := time.Now().Unix()
		for _, n := range ns.all {
			for range 2 {
				c, _, err := n.tryDial(fmt.Sprintf("token=42.%d", issued))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
			}
		}
		time.Sleep(2 * time.Second)
		if n, err := ns.all[0].RevokeTokens(t.Context(), "42", time.Now()); err != nil || n != 6 {
			t.Errorf("closed %d, %v", n, err)
		}
		ns.bus[1].down.Store(true)
		if n, err := ns.all[0].RevokeTokens(t.Context(), "42", time.Now()); !errors.Is(err, wirepost.ErrIncomplete) || n != 0 {
			t.Errorf("closed %d, %v", n, err)
		}
	}, issuedTokens)
}

// TestReceiptsElsewhere: a message counts as sent by whatever node sent it.
func TestReceiptsElsewhere(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		a, b := ns.all[0], ns.all[1]
		phone := b.dial("42&device=phone&channels=room").pingless()
		c, _ := b.dialV1("42&device=laptop&channels=room")
		b.dialV1("43&channels=room")
		announced()
		for _, channel := range []string{"user:42", "room"} {
			seq := a.json(channel, "1").Seq
			c.message("1")
			phone.want("1")
			_, got, err := a.Message(t.Context(), channel, seq)
			sent := map[string]wirepost.ReceiptState{}
			for _, r := range got {
				sent[r.User+"/"+r.Device] = r.State
			}
			want := map[string]wirepost.ReceiptState{"42/phone": wirepost.ReceiptSent, "42/laptop": wirepost.ReceiptSent}
			if channel == "room" {
				want["43/"] = wirepost.ReceiptSent
			}
			if err != nil || !maps.Equal(sent, want) {
				t.Errorf("%s: %v, %v, want %v", channel, sent, err, want)
			}
		}
		ns.bus[1].down.Store(true)
		_, got, err := a.Message(t.Context(), "user:42", 1)
		if !errors.Is(err, wirepost.ErrIncomplete) || len(got) != 2 {
			t.Errorf("without an answer: %v, %v", got, err)
		}
	})
}

// TestLimitsElsewhere: a user's connections to all nodes count for the limit, and devices
// that are connected to another node are not forgotten.
func TestLimitsElsewhere(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		a, b := ns.all[0], ns.all[1]
		a.dial("42&device=phone")
		time.Sleep(2 * time.Hour)
		c := b.dial("42&device=laptop")
		announced()
		for _, n := range ns.all {
			if _, resp, err := n.tryDial("user=42"); err == nil || resp.StatusCode != http.StatusTooManyRequests {
				t.Errorf("a third connection: %v", resp)
			}
		}
		c.leave()
		announced()
		b.dial("42&device=tablet") // another device is forgotten: not the one that is in use
		time.Sleep(time.Second)
		info, err := b.User(t.Context(), "42")
		devices := slices.Sorted(maps.Keys(info.Channels["user:42"].Devices))
		if err != nil || !slices.Equal(devices, []string{"phone", "tablet"}) {
			t.Errorf("devices: %v, %v", devices, err)
		}
	}, func(o *wirepost.Options) { o.MaxUserConnections, o.MaxDevices, o.Heartbeat = 2, 2, 24*time.Hour })
}

// TestMemoryElsewhere: memory-only channels reach the subscribers on all nodes.
func TestMemoryElsewhere(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		a, b := ns.all[0], ns.all[1]
		c, _ := b.dialV1("42&channels=live")
		announced()
		pushed := a.json("live", "1")
		if f := c.message("1"); f.num("seq") != pushed.Seq || pushed.Online != 1 {
			t.Errorf("pushed %+v, received %v", pushed, f)
		}
		list, _, err := b.Messages(t.Context(), "live", 0, 0)
		if err != nil || len(list) != 1 {
			t.Errorf("messages: %v, %v", list, err)
		}
	}, func(o *wirepost.Options) { o.Channels = []wirepost.Policy{{Pattern: "live", NonDurable: true}} })
}

// TestEmptiedElsewhere: what is removed on one node is not sent by another one.
func TestEmptiedElsewhere(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, ns *nodes) {
		a, b := ns.all[0], ns.all[1]
		b.dial("42")
		a.json("all", "1")
		announced()
		if err := a.Empty(t.Context(), "all"); err != nil {
			t.Fatal(err)
		}
		c, _ := b.dialV1("42&device=new&after=all=0")
		seq := a.json("all", "2").Seq
		if f := c.frame("gap"); f.num("resumed_at") != seq {
			t.Errorf("got %v", f)
		}
		c.message("2")
	})
}

// TestIsolation: a node that does not reach the others sends its clients away after a while,
// and takes new ones when it does again. The others see how many it has, and that it ends.
func TestIsolation(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		a, b := ns.all[0], ns.all[1]
		seen := func() engine.Node {
			for _, n := range b.engine.(engine.Shared).Cluster().Nodes {
				if n.Name == "a" {
					return n
				}
			}
			return engine.Node{}
		}
		c, _ := a.dialV1("42")
		time.Sleep(2 * time.Second)
		if n := seen(); n.Connections != 1 || n.State != engine.NodeReady {
			t.Errorf("before: %+v", n)
		}
		ns.way[0].Cut(true, false)
		ns.bus[0].down.Store(true)
		if _, err := a.Push(t.Context(), wirepost.Push{To: "user:42", Data: []byte("1")}); !strings.Contains(fmt.Sprint(err), "the log of the cluster") {
			t.Errorf("a push at once: %v", err)
		}
		time.Sleep(5 * time.Second)
		for what, err := range map[string]error{
			"a push": func() error {
				_, err := a.Push(t.Context(), wirepost.Push{To: "user:42", Data: []byte("1")})
				return err
			}(),
			"a membership": a.Join(t.Context(), "42", "team"),
			"ready":        a.Ready(),
		} {
			if e := wirepost.AsError(err); e == nil || e.Message != "this node takes no writes: it does not reach the log of the cluster" {
				t.Errorf("%s of the isolated node: %v", what, err)
			}
		}
		if n := a.online("42"); n != 1 {
			t.Errorf("the client left after 5 s")
		}
		if bye := c.frame("bye"); bye.num("code") != 1012 || bye.num("retry_after_ms") == 0 {
			t.Errorf("bye: %v", bye)
		}
		if code := c.closeCode(); code != 1012 {
			t.Errorf("closed with %d", code)
		}
		if _, response, err := a.tryDial("43"); err == nil || response == nil || response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("connecting to the isolated node: %v %v", response, err)
		}
		ns.way[0].Cut(false, false)
		ns.bus[0].down.Store(false)
		time.Sleep(5 * time.Second)
		a.dialV1("43")
		time.Sleep(2 * time.Second)
		if n := seen(); n.Connections != 1 || n.State != engine.NodeReady {
			t.Errorf("after: %+v", n)
		}
		go a.Shutdown(t.Context()) //nolint:errcheck // it is about what the others see
		time.Sleep(time.Second / 10)
		if n := seen(); n.State != engine.NodeDraining {
			t.Errorf("while it shuts down: %+v", n)
		}
	})
}
