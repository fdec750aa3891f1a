//go:build unix

package torture

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/wirepost/wirepost/client"
)

const (
	// herdSize is how many clients TestNodesHerd has.
	herdSize = 5000
	// herdKills is how often it kills a node, and herdCuts how often all clients lose their
	// connections at once.
	herdKills, herdCuts = 3, 2
	// herdLimit is how long all may take to be connected again, and to have everything.
	herdLimit = 2 * time.Minute
)

// herd is many clients, each of a user of its own, which connect to any node, and connect
// to any other one as soon as they lose it.
type herd struct {
	*nodes
	clients   []*herdClient
	connected atomic.Int64
	lost      atomic.Int64 // connections
	refused   atomic.Int64 // attempts
	last      atomic.Int64 // when the last one connected, since the run began
}

// herdClient is one of them. It has one device and acknowledges what it gets.
type herdClient struct {
	h      *herd
	user   string
	random *rand.Rand

	mu   sync.Mutex
	conn net.Conn
	node *nodeProcess
	got  map[string]uint64 // the last sequence by channel
	ids  map[string]int    // how often each message came
}

// loop keeps a client connected until ctx is done.
func (c *herdClient) loop(ctx context.Context) {
	for ; ctx.Err() == nil; wait(ctx, time.Duration(50+c.random.IntN(200))*time.Millisecond) {
		n := c.h.all[c.random.IntN(len(c.h.all))]
		if address, up := n.place(); up {
			c.read(ctx, n, address)
		}
	}
}

// read reads from a node until the connection ends.
func (c *herdClient) read(ctx context.Context, n *nodeProcess, address string) {
	d := ws.Dialer{Timeout: herdLimit, Protocols: []string{"wirepost.v1"}, NetDial: new(net.Dialer).DialContext}
	q := url.Values{"device": {"d"}, "token": {c.h.token(c.user)}}
	conn, early, _, err := d.Dial(ctx, "ws://"+address+"/ws?"+q.Encode())
	if err != nil {
		if _, ok := err.(ws.StatusError); ok {
			c.h.refused.Add(1)
		}
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c.set(conn, n)
	c.h.last.Store(int64(time.Since(c.h.start())))
	c.h.connected.Add(1)
	defer func() { c.h.connected.Add(-1); c.h.lost.Add(1) }()
	in := io.Reader(conn)
	if early != nil {
		in = io.MultiReader(io.LimitReader(early, int64(early.Buffered())), conn)
	}
	buffered := bufio.NewReaderSize(in, 1<<10)
	for {
		conn.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // the read fails
		f, err := ws.ReadFrame(buffered)
		if err != nil {
			return
		}
		switch f.Header.OpCode {
		case ws.OpText:
			err = c.take(conn, f.Payload)
		case ws.OpPing:
			err = wsutil.WriteClientMessage(conn, ws.OpPong, f.Payload)
		case ws.OpClose:
			wsutil.WriteClientMessage(conn, ws.OpClose, f.Payload) //nolint:errcheck // it is over
			return
		}
		if err != nil {
			return
		}
	}
}

func (c *herdClient) set(conn net.Conn, n *nodeProcess) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.node = conn, n
}

// take records a message and acknowledges it.
func (c *herdClient) take(conn net.Conn, text []byte) error {
	var f frame
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	if f.Type == "gap" || f.Type == "error" {
		c.h.fail("%s got %s", c.user, text)
	}
	if f.Type != "message" {
		return nil
	}
	c.mu.Lock()
	last := c.got[f.Channel]
	c.got[f.Channel] = max(last, f.Seq)
	c.ids[name(f.Data)]++
	c.mu.Unlock()
	if f.Prev > last {
		c.h.fail("%s got %d of %s after %d, and not %d", c.user, f.Seq, f.Channel, last, f.Prev)
	}
	return wsutil.WriteClientMessage(conn, ws.OpText, fmt.Appendf(nil, `{"type":"ack","channel":%q,"seq":%d}`, f.Channel, f.Seq))
}

// place is where the clients of a herd reach a node, if it is up.
func (n *nodeProcess) place() (address string, up bool) {
	n.front.proxy.mu.Lock()
	defer n.front.proxy.mu.Unlock()
	if targets := n.front.proxy.mu.targets; len(targets) > 0 {
		return targets[0], true
	}
	return "", false
}

// await waits until a condition holds.
func (h *herd) await(what string, holds func() bool) {
	h.t.Helper()
	began := time.Now()
	for ; !holds(); wait(h.t.Context(), 20*time.Millisecond) {
		if time.Since(began) > herdLimit {
			h.t.Fatalf("after %s not %s: %d of %d are connected", herdLimit, what, h.connected.Load(), len(h.clients))
		}
	}
}

func (h *herd) allConnected() bool { return h.connected.Load() == int64(len(h.clients)) }

// push pushes to all clients and to the inboxes of some, and waits until all have got it.
func (h *herd) push(backend *client.Backend, round string) {
	h.t.Helper()
	want := make(map[*herdClient]string)
	for i := h.random.IntN(50); i < len(h.clients); i += 50 {
		c := h.clients[i]
		want[c] = fmt.Sprintf("%s-%s", round, c.user)
		if _, err := backend.Push(h.t.Context(), client.Push{To: "user:" + c.user, ID: want[c], Data: []byte(payload(want[c]))}); err != nil {
			h.t.Fatal(err)
		}
	}
	all := round + "-all"
	if _, err := backend.Push(h.t.Context(), client.Push{To: "all", ID: all, Data: []byte(payload(all))}); err != nil {
		h.t.Fatal(err)
	}
	h.await("everything was delivered", func() bool {
		for _, c := range h.clients {
			c.mu.Lock()
			has := c.ids[all] > 0 && (want[c] == "" || c.ids[want[c]] > 0)
			c.mu.Unlock()
			if !has {
				return false
			}
		}
		return true
	})
}

func (h *herd) start() time.Time { return h.run.h.start }

// storm kills a node, or cuts the connections to all nodes if it is nil. Those who were
// connected connect again, while messages are pushed.
func (h *herd) storm(backend *client.Backend, name string, node *nodeProcess) {
	h.t.Helper()
	lost, refused, began := h.lost.Load(), h.refused.Load(), time.Since(h.start())
	losses := h.lose(node)
	h.push(backend, name)
	delivered := time.Since(h.start()) - began
	h.await("all are connected again", func() bool { return h.lost.Load() >= lost+losses && h.allConnected() })
	connected := time.Duration(h.last.Load()) - began
	h.push(backend, name+"-after")
	h.t.Logf("%s: %d of %d clients lost their connection; %s later all were connected, and %s later all had what was pushed meanwhile; %d attempts were refused",
		name, losses, len(h.clients), connected.Round(time.Millisecond), delivered.Round(time.Millisecond), h.refused.Load()-refused)
}

// lose kills a node, or cuts the connections to all nodes if it is nil, and returns how many
// connections are lost.
func (h *herd) lose(node *nodeProcess) (losses int64) {
	for _, c := range h.clients {
		c.mu.Lock()
		if node == nil {
			c.conn.Close()
		}
		if node == nil || c.node == node {
			losses++
		}
		c.mu.Unlock()
	}
	if node != nil {
		node.stop(true)
	}
	return losses
}

// TestNodesHerd has many clients which all connect again at once, if TORTURE is set: those
// of a node that is killed, and then all.
func TestNodesHerd(t *testing.T) {
	if os.Getenv("TORTURE") == "" {
		t.Skip("only with TORTURE, see make torture")
	}
	needClusters(t)
	r := newRun(t, seedOf(t))
	h := &herd{nodes: withEmbedded(r)}
	for _, n := range h.all {
		n.more = append(n.more, "--heartbeat", "25s") // all are busy for longer than a second
	}
	h.startAll()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer func() { cancel(); running.Wait() }()
	running.Go(func() { balance(ctx, r.proxy, h.fronts()) })
	for i := range herdSize {
		c := &herdClient{
			h: h, user: fmt.Sprint("h", i), random: rand.New(rand.NewPCG(r.random.Uint64(), 8)),
			got: make(map[string]uint64), ids: make(map[string]int),
		}
		h.clients = append(h.clients, c)
		running.Go(func() { c.loop(ctx) })
	}
	h.await("all are connected", h.allConnected)
	t.Logf("%d clients connected within %s", herdSize, time.Duration(h.last.Load()))
	backend := r.newBackend(r.url("http"))
	h.push(backend, "first")
	for i := range herdKills {
		n := h.all[i%len(h.all)]
		h.storm(backend, fmt.Sprint("kill", i), n)
		h.launch(n)
		h.awaitReady()
	}
	for i := range herdCuts {
		h.storm(backend, fmt.Sprint("cut", i), nil)
	}
	twice := 0
	for _, c := range h.clients {
		c.mu.Lock()
		for _, n := range c.ids {
			twice += n - 1
		}
		c.mu.Unlock()
	}
	t.Logf("%d messages came again", twice)
	for _, text := range r.failed {
		t.Error(text)
	}
}
