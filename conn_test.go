package wirepost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
)

// handle makes serve handle the connections to a node.
func (n *node) handle(serve func(context.Context, *wirepost.Conn) error) *node {
	n.loop.Store(&serve)
	n.path = "/loop"
	return n
}

// TestConn: a loop reads and writes, while pushes are delivered independently.
func TestConn(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		o.OnMessage = func(context.Context, wirepost.Session, wirepost.Frame) (wirepost.Frame, error) {
			return wirepost.Frame{}, wirepost.Errorf(wirepost.CodeForbidden, "not for the loop")
		}
	}).handle(func(ctx context.Context, c *wirepost.Conn) error {
		for {
			f, err := c.Read(ctx)
			if err != nil {
				return err
			}
			f.Data = fmt.Appendf(nil, "%s: %s", c.Session().User, f.Data)
			if err := c.Write(ctx, f); err != nil {
				return err
			}
		}
	})
	c := n.dial("42")
	c.send("hello")
	c.want("42: hello")
	n.text("user:42", "pushed")
	c.want("pushed")
	if err := c.WriteMessage(websocket.BinaryMessage, []byte{1}); err != nil {
		t.Fatal(err)
	}
	if kind, data, err := c.ReadMessage(); kind != websocket.BinaryMessage || !bytes.Equal(data, []byte("42: \x01")) {
		t.Errorf("%d %q %v", kind, data, err)
	}
	c.leave()
	n.gone("42")
	v1, _ := n.dialV1("7") // it uses wirepost.v1 frames, so Handle does not serve it
	v1.send(`{"type":"message","ref":1,"data":1}`)
	v1.frame("error")
}

// TestConnEnds: each side closes with a code, which the other side receives.
func TestConnEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		serve func(context.Context, *wirepost.Conn) error
		code  int
	}{
		"nil":          {func(context.Context, *wirepost.Conn) error { return nil }, 1000},
		"a close code": {func(context.Context, *wirepost.Conn) error { return wirepost.CloseInfo{Code: 4000, Reason: "moved"} }, 4000},
		"Close": {func(_ context.Context, c *wirepost.Conn) error {
			return c.Close(wirepost.CloseInfo{Code: 4001})
		}, 4001},
		"coded":        {func(context.Context, *wirepost.Conn) error { return wirepost.Errorf(wirepost.CodeForbidden, "no") }, 4403},
		"anything":     {func(context.Context, *wirepost.Conn) error { return errors.New("10.0.0.5") }, 1011},
		"a panic":      {func(context.Context, *wirepost.Conn) error { panic("10.0.0.5") }, 1011},
		"a wrong code": {func(context.Context, *wirepost.Conn) error { return wirepost.CloseInfo{Code: 1006} }, 1011},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disconnected := make(chan wirepost.CloseInfo, 1)
			n := newNode(t, func(o *wirepost.Options) {
				o.OnDisconnect = func(_ context.Context, _ wirepost.Session, e wirepost.CloseInfo) { disconnected <- e }
			}).handle(tt.serve)
			c := n.dial("42")
			if code := c.closeCode(); code != tt.code {
				t.Errorf("closed with %d, want %d", code, tt.code)
			}
			if e := <-disconnected; e.Code != tt.code {
				t.Errorf("OnDisconnect got %v", e)
			}
		})
	}
}

// TestConnClosedByClient: Read returns the messages sent before the close, and then
// Read and Write return the close.
func TestConnClosedByClient(t *testing.T) {
	t.Parallel()
	left, result := make(chan struct{}), make(chan error, 4)
	n := newNode(t).handle(func(ctx context.Context, c *wirepost.Conn) error {
		<-left
		<-ctx.Done()
		for range 3 {
			if _, err := c.Read(ctx); err != nil {
				result <- err
			}
		}
		_, err := c.Read(context.Background())
		result <- err
		result <- c.Write(context.Background(), wirepost.Frame{Data: []byte("late")})
		result <- c.Write(ctx, wirepost.Frame{Data: []byte("late")}) // ctx ended with the session
		return err
	})
	c := n.dial("42")
	for i := range 3 {
		c.send("%d", i)
	}
	err := c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4005, "enough"), time.Now().Add(patience))
	if err != nil {
		t.Fatal(err)
	}
	c.closeCode()
	close(left)
	for range 3 {
		if err := <-result; !errors.Is(err, wirepost.CloseInfo{Code: 4005, Reason: "enough"}) {
			t.Errorf("closed with %v", err)
		}
	}
}

// TestConnWriteCanceled: a frame whose context is canceled is not sent.
func TestConnWriteCanceled(t *testing.T) {
	t.Parallel()
	n := newNode(t).handle(func(ctx context.Context, c *wirepost.Conn) error {
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		for range 100 {
			if err := c.Write(canceled, wirepost.Frame{Data: []byte("never")}); !errors.Is(err, context.Canceled) {
				t.Errorf("canceled: %v", err)
			}
		}
		return c.Write(ctx, wirepost.Frame{Data: []byte("last")})
	})
	n.dial("42").want("last")
}

// TestConnHoldsBack: a loop that does not read blocks the client indefinitely, and a
// client that does not read blocks the loop.
func TestConnHoldsBack(t *testing.T) {
	t.Parallel()
	const size = 64 << 10
	big := bytes.Repeat([]byte("x"), size)
	synctest.Test(t, func(t *testing.T) {
		read, wrote := make(chan int), make(chan int, 1)
		n := newPipeNode(t).handle(func(ctx context.Context, c *wirepost.Conn) error {
			time.Sleep(time.Hour) // of the bubble: 60 heartbeats are lost meanwhile
			for i := range 100 {
				if f, err := c.Read(ctx); err != nil || len(f.Data) != size {
					t.Errorf("message %d: %d bytes, %v", i, len(f.Data), err)
				}
			}
			read <- 100
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			k := 0
			for ; ; k++ {
				if err := c.Write(ctx, wirepost.Frame{Data: big}); err != nil {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
					wrote <- k
					return nil
				}
			}
		})
		c := n.dial("42").pingless()
		sent := make(chan int, 100)
		go func() {
			for i := range 100 {
				c.send("%s", big)
				sent <- i
			}
		}()
		synctest.Wait()
		if k := len(sent); k > 40 {
			t.Errorf("%d messages were accepted before the first was read", k)
		}
		<-read
		if k := <-wrote; k > 2 {
			t.Errorf("%d frames were written to a client that does not read", k)
		}
		c.Close()
	})
}
