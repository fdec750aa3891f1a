package wirepost_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
)

// TestNoPingStormAfterAMembershipEnds: messages sent to a member leave the window when
// the membership ends, and a pong alone never causes another ping.
func TestNoPingStormAfterAMembershipEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) { o.Window = 4 })
		c := n.dial("42&channels=news")
		pings := 0
		c.SetPingHandler(func(payload string) error {
			pings++
			return c.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(time.Second))
		})
		go c.closeCode()
		if err := n.Join(t.Context(), "42", "news"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		n.text("news", "1") // in flight until its ping, a second later
		synctest.Wait()
		if err := n.Leave(t.Context(), "42", "news"); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			n.text("user:42", "x")
			synctest.Wait()
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if beats := 10 * 60 / 22; pings > beats+6 {
			t.Errorf("%d pings in ten minutes", pings)
		}
		if got := n.cursor("42", "user:42", ""); got != 4 {
			t.Errorf("acknowledged through %d", got)
		}
	})
}

// TestPongsWithoutPayload: a client that does not echo the payload of pings cannot
// acknowledge anything. It is reported, and then closed.
func TestPongsWithoutPayload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t)
		c := n.dial("42")
		c.SetPingHandler(func(string) error {
			return c.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Second))
		})
		ended := make(chan int, 1)
		go func() { ended <- c.closeCode() }()
		time.Sleep(10 * time.Minute)
		if n.online("42") != 1 {
			t.Fatal("it closed although no message was unacknowledged")
		}
		n.text("user:42", "x")
		time.Sleep(50 * time.Second)
		if s := n.sessions("42"); len(s) != 1 || !s[0].NoAcks {
			t.Errorf("the session does not report that it acknowledges nothing: %+v", s)
		}
		time.Sleep(60 * time.Second)
		if code := <-ended; code != 1002 {
			t.Errorf("closed with %d", code)
		}
	})
}

// TestPongsWithoutPayloadLate: the same with a heartbeat of an hour.
func TestPongsWithoutPayloadLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) { o.Heartbeat = time.Hour })
		c := n.dial("42")
		c.SetPingHandler(func(string) error {
			return c.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Second))
		})
		ended := make(chan int, 1)
		go func() { ended <- c.closeCode() }()
		n.text("user:42", "x")
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		if len(ended) == 0 {
			t.Fatal("it is still open")
		}
		if code := <-ended; code != 1002 {
			t.Errorf("closed with %d", code)
		}
	})
}

// TestSlowTransfer: a message larger than the limit for queued responses is delivered,
// however slowly it is read, and is acknowledged.
func TestSlowTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) { o.MaxMessage = 8 << 20 })
		c := n.silent("/ws", "wirepost.plain")
		c.SetReadDeadline(time.Now().Add(24 * time.Hour))
		head := make([]byte, 0, 512)
		for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
			var b [1]byte
			if _, err := c.Read(b[:]); err != nil {
				t.Fatal(err)
			}
			head = append(head, b[0])
		}
		const size = 4 << 20
		n.text("user:42", strings.Repeat("x", size))
		buf := make([]byte, 64<<10)
		for got := 0; got < size+10; { // the frame's header has ten bytes
			want := min(len(buf), size+10-got)
			m, err := io.ReadFull(c, buf[:want])
			if err != nil {
				t.Fatalf("after %d bytes: %v", got, err)
			}
			got += m
			time.Sleep(10 * time.Second)
		}
		var ping [7]byte
		if _, err := io.ReadFull(c, ping[:]); err != nil || ping[0] != 0x89 || ping[2] != 'c' {
			t.Fatalf("no cursor ping follows: %x, %v", ping, err)
		}
		if n.online("42") != 1 {
			t.Error("the session has ended")
		}
	})
}
