package crowd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience protects against hanging.
const patience = time.Minute

// member is a Client that records the messages, and echoes them.
type member struct {
	bare bool
	wait string // the message that makes it ready; "": the upgrade does

	mu    sync.Mutex
	ready bool
	got   []string
	came  chan struct{} // gets one for each message
	due   atomic.Int64
}

func (m *member) Request() ([]byte, error) {
	if m.bare {
		m.ready = true
		return nil, nil
	}
	return []byte("GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), nil
}

func (m *member) Upgraded(header, rest []byte, _ time.Time, out []byte) ([]byte, error) {
	if !bytes.HasPrefix(header, []byte("HTTP/1.1 101 ")) || !bytes.HasSuffix(header, []byte("\r\n\r\n")) {
		return out, fmt.Errorf("got the response %q and %q", header, rest)
	}
	m.ready = m.wait == ""
	return out, nil
}

func (m *member) Message(payload []byte, _ time.Time, out []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready = m.ready || string(payload) == m.wait
	m.got = append(m.got, string(payload))
	m.came <- struct{}{}
	return out
}

func (m *member) Ready() bool { return m.ready }

func (m *member) Due(out []byte) []byte { m.due.Add(1); return out }

// members are the clients of a crowd.
type members []*member

func newMembers(n int, bare bool, wait string) (all members) {
	for range n {
		all = append(all, &member{bare: bare, wait: wait, came: make(chan struct{}, 1<<10)})
	}
	return all
}

func (all members) client(i, _ int) Client { return all[i] }

// get waits for n messages of one member.
func (m *member) get(t *testing.T, n int) []string {
	t.Helper()
	for range n {
		select {
		case <-m.came:
		case <-time.After(patience):
			t.Fatal("no message came")
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.got
}

// each runs a test with one epoll for all connections, where there is one, and with
// a goroutine for each.
func each(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Parallel()
	for _, portable := range []bool{false, true} {
		t.Run(fmt.Sprintf("portable %v", portable), func(t *testing.T) {
			t.Parallel()
			test(t, Config{Portable: portable})
		})
	}
}

func connect(t *testing.T, cfg Config) *Crowd {
	t.Helper()
	c, err := Connect(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func isReady(t *testing.T, c *Crowd) {
	t.Helper()
	select {
	case <-c.Ready():
	case <-c.Broken():
		t.Fatal(c.Failure())
	case <-time.After(patience):
		t.Fatalf("%d are ready", c.Connected())
	}
}

// breaks waits for the first failure, whose text must contain words.
func breaks(t *testing.T, c *Crowd, words string) {
	t.Helper()
	select {
	case <-c.Broken():
	case <-time.After(patience):
		t.Fatal("nothing failed")
	}
	if err := c.Failure(); err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want %q in it", err, words)
	}
}

// script is a server that sends the same bytes to every client after the handshake, in
// pieces of that size, and then reads until the connection is closed. Ends gets the
// error of each read.
func script(t *testing.T, upgrade bool, send []byte, piece int) (at netip.AddrPort, ends chan error) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ends = make(chan error, 100)
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				if upgrade {
					if _, err := readUntil(c, "\r\n\r\n"); err != nil {
						ends <- err
						return
					}
				}
				for rest := send; len(rest) > 0; {
					n := min(piece, len(rest))
					if _, err := c.Write(rest[:n]); err != nil {
						ends <- err
						return
					}
					rest = rest[n:]
				}
				_, err := io.Copy(io.Discard, c)
				ends <- err
			})
		}
	})
	return netip.MustParseAddrPort(l.Addr().String()), ends
}

func readUntil(r io.Reader, end string) (got []byte, err error) {
	var b [1]byte
	for !bytes.HasSuffix(got, []byte(end)) && err == nil {
		_, err = io.ReadFull(r, b[:])
		got = append(got, b[0])
	}
	return got, err
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

// TestMessages: messages are delivered whole however they are cut, including those sent
// together with the handshake response, and fragmented ones.
func TestMessages(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		long := strings.Repeat("x", 300)
		send := []byte(switching + "\x81\x05hello" + "\x89\x01p" + "\x01\x02ab\x80\x01c" + "\x8A\x00" + "\x82\x7E\x01\x2C" + long)
		for _, piece := range []int{1, 7, len(send)} {
			at, _ := script(t, true, send, piece)
			all := newMembers(3, false, "")
			cfg.Address, cfg.Size, cfg.Client = at, len(all), all.client
			c := connect(t, cfg)
			isReady(t, c)
			for _, m := range all {
				if got := m.get(t, 3); got[0] != "hello" || got[1] != "abc" || got[2] != long {
					t.Errorf("by %d: got %q", piece, got)
				}
			}
			c.Close()
			if err := c.Failure(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestSpread: the connections are spread over several servers.
func TestSpread(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		all := newMembers(7, false, "")
		cfg.Address, _ = script(t, true, []byte(switching+"\x81\x010"), 99)
		for i := 1; i < 3; i++ {
			at, _ := script(t, true, fmt.Appendf(nil, "%s\x81\x01%d", switching, i), 99)
			cfg.More = append(cfg.More, at)
		}
		cfg.Size, cfg.Client = len(all), all.client
		c := connect(t, cfg)
		isReady(t, c)
		for i, m := range all {
			if got := m.get(t, 1); got[0] != fmt.Sprint(i%3) {
				t.Errorf("connection %d is to server %s", i, got[0])
			}
		}
		c.Close()
	})
}

// TestBare: without a handshake, frames follow at once, and the connection is closed by
// a reset.
func TestBare(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		at, ends := script(t, false, []byte("\x81\x02hi"), 10)
		all := newMembers(2, true, "")
		cfg.Address, cfg.Size, cfg.Client, cfg.Reset = at, len(all), all.client, true
		c := connect(t, cfg)
		isReady(t, c)
		for _, m := range all {
			m.get(t, 1)
		}
		c.Close()
		for range all {
			if err := <-ends; err == nil {
				t.Error("the connection ended without a reset")
			}
		}
	})
}

func TestFailures(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		for words, send := range map[string]string{
			`got the response "HTTP/1.1 401`: "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
			`does not end`:                   strings.Repeat("x", maxResponse+1),
			`closed the connection with 10`:  switching + "\x88\x04\x03\xF4by",
			`server closed the connection`:   switching + "\x88\x00",
			`server frame is masked`:         switching + "\x81\x80\x00\x00\x00\x00",
			`reserved bits are set`:          switching + "\xC1\x01x",
			`unknown opcode`:                 switching + "\x83\x00",
			`control frame is too long`:      switching + "\x89\x7E\x00\xC8",
			`continuation without a message`: switching + "\x80\x01x",
			`message is too big`:             switching + "\x82\x7F\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
		} {
			at, _ := script(t, true, []byte(send), len(send))
			all := newMembers(3, false, "")
			cfg.Address, cfg.Size, cfg.Client = at, len(all), all.client
			c := connect(t, cfg)
			breaks(t, c, words)
			c.Close()
			if n := c.Failed(); n < 1 || n > 3 {
				t.Errorf("%d connections failed", n)
			}
		}
	})
}

func TestCut(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		all := newMembers(1, true, "")
		cfg.Address, cfg.Size, cfg.Client = netip.MustParseAddrPort(l.Addr().String()), 1, all.client
		c := connect(t, cfg)
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		isReady(t, c)
		nc.Close()
		<-c.Broken()
		l.Close()
	})
}

func TestNobodyListens(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		all := newMembers(5, false, "")
		cfg.Address, cfg.Size, cfg.Client = netip.MustParseAddrPort("127.0.0.1:1"), len(all), all.client
		breaks(t, connect(t, cfg), "127.0.0.1:1")
	})
}

// TestRequestFails: a client without a request stops the crowd.
func TestRequestFails(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		at, _ := script(t, true, []byte(switching), 100)
		cfg.Address, cfg.Size = at, 3
		cfg.Client = func(int, int) Client { return &refuser{} }
		breaks(t, connect(t, cfg), "no token")
	})
}

type refuser struct{ member }

func (*refuser) Request() ([]byte, error) { return nil, errors.New("no token") }

// TestReady: with few connections in progress at a time, all become ready, each with
// the message that it waits for; then Due is called.
func TestReady(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		at, _ := script(t, true, []byte(switching+"\x81\x05hello"+"\x81\x05ready"), 9)
		all := newMembers(20, false, "ready")
		cfg.Address, cfg.Size, cfg.Client, cfg.InFlight, cfg.Loops = at, len(all), all.client, 2, 3
		cfg.DueEvery = time.Millisecond
		c := connect(t, cfg)
		isReady(t, c)
		if n := c.Connected(); n != 20 {
			t.Errorf("%d are ready", n)
		}
		for deadline := time.Now().Add(patience); all[7].due.Load() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("Due was not called")
			}
		}
	})
}

// TestSlow: a connection that does not read gets nothing, and does not delay the
// others.
func TestSlow(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		const messages = 200
		up, over := websocket.Upgrader{}, make(chan struct{})
		var all sync.WaitGroup
		h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := up.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				all.Go(func() { io.Copy(io.Discard, c.NetConn()) }) //nolint:errcheck // until it is closed
				for range messages {
					if c.WriteMessage(websocket.TextMessage, make([]byte, 20<<10)) != nil {
						return
					}
				}
				<-over
			})
		}))
		t.Cleanup(func() { close(over); h.CloseClientConnections(); h.Close(); all.Wait() })
		members := newMembers(4, false, "")
		cfg.Address, cfg.Size, cfg.Client = netip.MustParseAddrPort(h.Listener.Addr().String()), 4, members.client
		cfg.Slow = func(i int) bool { return i%2 == 0 }
		c := connect(t, cfg)
		isReady(t, c)
		for _, i := range []int{1, 3} {
			members[i].get(t, messages)
		}
		c.Close()
		for _, i := range []int{0, 2} {
			if n := len(members[i].got); n > messages/2 {
				t.Errorf("one that does not read got %d messages", n)
			}
		}
		if err := c.Failure(); err != nil {
			t.Error(err)
		}
	})
}

// TestLeave: Close makes the closing handshake with an independent server, also over
// TLS.
func TestLeave(t *testing.T) {
	each(t, func(t *testing.T, cfg Config) {
		ends := make(chan error, 10)
		up := websocket.Upgrader{}
		h := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := up.Upgrade(w, r, nil)
			if err != nil {
				ends <- err
				return
			}
			defer c.Close()
			c.SetPongHandler(func(p string) error { return c.WriteMessage(websocket.TextMessage, []byte("pong "+p)) })
			c.WriteControl(websocket.PingMessage, []byte("p"), time.Now().Add(patience)) //nolint:errcheck // the read fails
			_, _, err = c.ReadMessage()
			ends <- err
		}))
		if cfg.Portable {
			h.StartTLS()
			cfg.Secure = func(ctx context.Context, _ int, nc net.Conn) (net.Conn, error) {
				s := tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
				return s, s.HandshakeContext(ctx)
			}
		} else {
			h.Start()
		}
		t.Cleanup(h.Close)
		all := newMembers(3, false, "")
		cfg.Address, cfg.Size, cfg.Client = netip.MustParseAddrPort(h.Listener.Addr().String()), 3, all.client
		c := connect(t, cfg)
		isReady(t, c)
		for _, m := range all {
			if got := m.get(t, 1); got[0] != "pong p" {
				t.Errorf("got %q", got)
			}
		}
		c.Close()
		for range all {
			if err := <-ends; !websocket.IsCloseError(err, 1000) {
				t.Errorf("the server saw %v", err)
			}
		}
		if err := c.Failure(); err != nil {
			t.Error(err)
		}
	})
}
