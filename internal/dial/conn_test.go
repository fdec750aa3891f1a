package dial

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gobwas "github.com/gobwas/ws"

	"github.com/wirepost/wirepost/internal/ws"
)

// pair is a connection and the server's end of it, in a synctest bubble.
func pair(t *testing.T) (*Conn, net.Conn) {
	here, there := net.Pipe()
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		dial := serve(good+"\n", nil)
		inner, _ := dial(context.Background(), "", "")
		defer inner.Close()
		r, err := http.ReadRequest(bufio.NewReader(there))
		if err != nil {
			t.Error(err)
			return
		}
		r.Write(inner) //nolint:errcheck // the handshake tells
		b := make([]byte, 4096)
		n, _ := inner.Read(b)
		there.Write(b[:n]) //nolint:errcheck // the same
	}()
	c, err := Dial(t.Context(), "ws://wirepost.test", Options{
		MaxMessage:  1000,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return here, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	<-accepted
	t.Cleanup(func() { there.Close() })
	return c, there
}

// frame reads a frame that the client sent.
func frame(t *testing.T, there net.Conn) (gobwas.OpCode, string) {
	t.Helper()
	f, err := gobwas.ReadFrame(there)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Header.Masked {
		t.Error("a frame is not masked")
	}
	return f.Header.OpCode, string(gobwas.UnmaskFrame(f).Payload)
}

// TestClosings: who ends a connection, and how.
func TestClosings(t *testing.T) {
	invalid := ws.AppendFrame(nil, ws.OpText, []byte{0xC3, 0x28})
	for name, tc := range map[string]struct {
		send  []byte
		code  int
		frame string // the client's close frame
		local bool
	}{
		"peer":        {ws.AppendClose(nil, 4409, "go"), 4409, "\x11\x39", false},
		"no code":     {ws.AppendClose(nil, 1005, ""), 1005, "", false},
		"bad UTF-8":   {invalid, 1007, "\x03\xeftext is not valid UTF-8", true},
		"too big":     {[]byte{0x82, 126, 0x10, 0}, 1009, "\x03\xf1message is too big", true},
		"masked":      {ws.AppendMasked(nil, ws.OpText, nil), 1002, "\x03\xeaserver frame is masked", true},
		"bad code":    {[]byte{0x88, 2, 0x03, 0xed}, 1002, "\x03\xeaclose code is not valid", true},
		"long ping":   {[]byte{0x89, 126, 0, 126}, 1002, "\x03\xeacontrol frame is too long", true},
		"rsv":         {[]byte{0xC1, 0}, 1002, "\x03\xeareserved bits are set", true},
		"split early": {[]byte{0x01, 2, 0xFF, 0xFF}, 1007, "\x03\xeftext is not valid UTF-8", true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, there := pair(t)
				ended := make(chan error)
				go func() {
					_, _, err := c.Read()
					ended <- err
				}()
				there.Write(tc.send) //nolint:errcheck // the frame tells
				if op, payload := frame(t, there); op != gobwas.OpClose || payload != tc.frame {
					t.Errorf("the client answered %v %q", op, payload)
				}
				there.Close()
				err := <-ended
				if e, ok := errors.AsType[*CloseError](err); !ok || e.Code != tc.code || e.Local != tc.local {
					t.Errorf("ended with %v", err)
				}
				if _, _, again := c.Read(); again != err {
					t.Errorf("then with %v", again)
				}
			})
		})
	}
}

// TestCloseTimeout: a peer that does not answer a close frame, or sends on and on
// behind its own, is left after CloseTimeout.
func TestCloseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pair(t)
		var all sync.WaitGroup
		all.Go(func() {
			for {
				if _, err := there.Write(ws.AppendPing(nil, nil)); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		all.Go(func() {
			for {
				if _, err := gobwas.ReadFrame(there); err != nil {
					return
				}
			}
		})
		began := time.Now()
		all.Go(func() { c.Read() }) //nolint:errcheck // Close tells
		if err := c.Close(1000, ""); err == nil || time.Since(began) != CloseTimeout {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		all.Wait()
	})
}

func TestQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pair(t)
		c.SetQuiet(10 * time.Second)
		go func() {
			time.Sleep(9 * time.Second)
			there.Write(ws.AppendPing(nil, []byte("p"))) //nolint:errcheck // the pong tells
			if op, payload := frame(t, there); op != gobwas.OpPong || payload != "p" {
				t.Errorf("%v %q", op, payload)
			}
		}()
		began := time.Now()
		if _, _, err := c.Read(); !errors.Is(err, ErrQuiet) || time.Since(began) != 19*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// TestPongs: each ping has its pong; while the peer leaves a lot unread, the latest
// has, before a close frame too.
func TestPongs(t *testing.T) {
	for _, closes := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, there := pair(t)
			go c.Read() //nolint:errcheck // there is closed
			ping := func(from, to int) {
				var pings []byte
				for i := range to - from {
					pings = ws.AppendPing(pings, fmt.Append(nil, from+i))
				}
				there.Write(pings) //nolint:errcheck // the pongs tell
				synctest.Wait()
			}
			expect := func(op gobwas.OpCode, payload string) {
				t.Helper()
				if gotOp, got := frame(t, there); gotOp != op || got != payload {
					t.Errorf("got %v of %d bytes, %.10q; want %v, %.10q", gotOp, len(got), got, op, payload)
				}
			}
			ping(0, 100)
			for i := range 100 {
				expect(gobwas.OpPong, fmt.Sprint(i))
			}
			first, second := strings.Repeat("a", 1000), strings.Repeat("b", maxQueued)
			c.TryWrite([]byte(first))
			synctest.Wait() // the writer has it, and waits for the peer
			c.TryWrite([]byte(second))
			ping(100, 5000)
			if closes {
				go c.Close(1000, "") //nolint:errcheck // the frame tells
				synctest.Wait()
			}
			expect(gobwas.OpText, first)
			expect(gobwas.OpText, second)
			expect(gobwas.OpPong, "4999")
			if closes {
				expect(gobwas.OpClose, "\x03\xe8")
			} else {
				ping(5000, 5001)
				expect(gobwas.OpPong, "5000")
			}
			there.Close()
		})
	}
}

// TestSlowPeer: a peer that reads nothing bounds what is queued, and is given up
// after a minute.
func TestSlowPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pair(t)
		ended := make(chan error)
		go func() {
			_, _, err := c.Read()
			ended <- err
		}()
		data := make([]byte, 100<<10)
		for i := 0; ; i++ {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := c.Write(ctx, true, data)
			cancel()
			if errors.Is(err, context.DeadlineExceeded) {
				if i > 10 {
					t.Errorf("%d messages were queued", i)
				}
				break
			}
		}
		if c.TryWrite(data) {
			t.Error("TryWrite queued more")
		}
		if err := <-ended; err == nil {
			t.Error("the connection did not end")
		}
		if err := c.Write(t.Context(), true, data); !errors.Is(err, net.ErrClosed) {
			t.Errorf("then: %v", err)
		}
	})
}
