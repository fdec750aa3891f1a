package wirepost_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	cws "github.com/coder/websocket"
	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
)

// TestAStuckReaderCostsNothingAndLosesNothing: a session stops reading while 50 MB are
// pushed to its channel.
func TestAStuckReaderCostsNothingAndLosesNothing(t *testing.T) {
	const size, count = 50 << 10, 1000
	n := newNode(t, func(o *wirepost.Options) { o.WindowBytes = 64 << 20; o.Window = 10 * count })
	stuck, _ := n.dialV1("stuck&channels=news")
	brisk, _ := n.dialV1("brisk&channels=news")
	data := make([]byte, size)
	brisk.SetReadLimit(-1)
	stuck.SetReadLimit(-1)

	var got atomic.Int64
	go func() {
		for {
			if _, _, err := brisk.ReadMessage(); err != nil {
				return
			}
			got.Add(1)
		}
	}()
	before := heap()
	for i := range count {
		binary.BigEndian.PutUint64(data, uint64(i))
		n.push(wirepost.Push{To: "news", Data: append([]byte(nil), data...), ContentType: "application/octet-stream"})
	}
	eventually(t, "the other session has it all", func() bool { return got.Load() == count })
	// The store in memory has the 50 MB; the stuck session may have little on top.
	if grown := heap() - before; grown > size*count+16<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
	last := uint64(0)
	for range count {
		m := stuck.frame("message")
		if m.num("prev") != last {
			t.Fatalf("message %d follows %d, not %d", m.num("seq"), m.num("prev"), last)
		}
		last = m.num("seq")
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

// TestSubscribingWhilePushing connects at random moments during a stream of pushes;
// each connection must receive an unbroken sequence from its start.
func TestSubscribingWhilePushing(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	const pushes = 3000
	var pushing sync.WaitGroup
	for p := range 3 {
		pushing.Go(func() {
			for i := range pushes / 3 {
				n.json("news", fmt.Sprint(p*pushes+i))
			}
		})
	}
	var readers sync.WaitGroup
	for range 20 {
		readers.Go(func() {
			for n.Stats().Pushes < uint64(rand.N(pushes/2)) {
				runtime.Gosched()
			}
			c, hello := n.dialV1(fmt.Sprintf("u%d&channels=news", rand.N(5)))
			last := hello.channel("news").num("seq")
			for first := true; last < pushes; first = false {
				m := c.frame("message")
				if m.num("prev") > last || !first && m.num("prev") != last {
					t.Errorf("message %d follows %d, the one before was %d", m.num("seq"), m.num("prev"), last)
					return
				}
				last = m.num("seq")
				c.send(`{"type":"ack","channel":"news","seq":%d}`, last)
			}
		})
	}
	pushing.Wait()
	readers.Wait()
}

// TestAnotherClientLibrary connects with coder/websocket.
func TestAnotherClientLibrary(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.AckDelay = time.Millisecond })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := cws.Dial(ctx, "ws://"+n.host+"/ws?user=42", &cws.DialOptions{Subprotocols: []string{"wirepost.plain"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	m := n.text("user:42", "hello")
	if kind, data, err := c.Read(ctx); kind != cws.MessageText || string(data) != "hello" || err != nil {
		t.Fatal(kind, string(data), err)
	}
	go c.Read(ctx) // replies to pings
	eventually(t, "acknowledged", func() bool { return n.cursor("42", "user:42", "") == m.Seq })
	c.Close(cws.StatusNormalClosure, "")
	n.gone("42")
}

// TestComingAndGoing is for the race detector: connections, resets, disconnects,
// memberships and pushes, all at once.
func TestComingAndGoing(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.AckDelay = time.Millisecond })
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 30 {
				user := fmt.Sprintf("u%d", (w+i)%5)
				mode := [][]string{nil, {"wirepost.v1"}}[i%2]
				c, _, err := n.tryDial("user="+user+"&channels=room:1", mode...)
				if err != nil {
					t.Error(err)
					return
				}
				n.json(wirepost.InboxOf(user), "1")
				n.json("room:1", "1")
				n.json("all", "1")
				c.SetReadDeadline(time.Now().Add(patience))
				c.ReadMessage() // a message, or the close by a Disconnect
				switch i % 5 {
				case 0:
					n.Disconnect(t.Context(), user, "")
				case 1:
					n.Join(t.Context(), user, "room:2")
				case 2:
					n.Leave(t.Context(), user, "room:2") //nolint:errcheck // there may be no membership
				case 3:
					c.WriteControl(websocket.CloseMessage, nil, time.Now().Add(patience))
				}
				c.NetConn().(*net.TCPConn).SetLinger(0)
				c.Close()
				if _, err := n.User(t.Context(), user); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "everybody left", func() bool {
		s := n.Stats()
		return s.Connections == 0 && s.Users == 0 && s.Channels == 0
	})
}

// TestShutdownInTheMiddle is for the race detector: a server shuts down at a random
// moment while clients connect, disconnect and messages are pushed.
func TestShutdownInTheMiddle(t *testing.T) {
	t.Parallel()
	for round := range 10 {
		n := newNode(t, func(o *wirepost.Options) { o.AckDelay = time.Millisecond })
		var wg sync.WaitGroup
		stored := make([]atomic.Int64, 4)
		for w := range stored {
			wg.Go(func() {
				user := fmt.Sprintf("u%d", w)
				for i := 0; n.Ready() == nil; i++ {
					mode := [][]string{nil, {"wirepost.v1"}}[i%2]
					c, _, err := n.tryDial("user="+user+"&channels=room:1", mode...)
					if err != nil {
						continue // refused or closed: the server is shutting down
					}
					for range 3 {
						_, err := n.Push(context.Background(), wirepost.Push{To: wirepost.InboxOf(user), Data: []byte("1")})
						if err == nil {
							stored[w].Add(1)
						}
					}
					c.SetReadDeadline(time.Now().Add(patience))
					c.ReadMessage()
					c.Close()
				}
			})
		}
		for n.Stats().Pushes < uint64(round*5) {
			runtime.Gosched()
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if err := n.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		cancel()
		wg.Wait()
		for w := range stored { // acknowledged pushes are stored
			if head, err := n.engine.Bounds(context.Background(), fmt.Sprintf("user:u%d", w)); err != nil || head.Head != uint64(stored[w].Load()) {
				t.Errorf("the head is %d, %v; %d pushes were acknowledged", head.Head, err, stored[w].Load())
			}
		}
	}
}
