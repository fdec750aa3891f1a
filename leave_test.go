package wirepost_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// silent opens a connection whose client never reads or sends anything again. The
// server has sent the beginning of its response.
func (n *node) silent(path, protocol string) net.Conn {
	n.t.Helper()
	c, err := n.dialer.NetDialContext(context.Background(), "tcp", n.host)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { c.Close() })
	header := ""
	if path == "/ws" {
		header = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + protocol + "\r\n"
	}
	fmt.Fprintf(c, "GET %s?user=42&token=42.1000&channels=news&wait=60s HTTP/1.1\r\nHost: %s\r\n%s\r\n", path, n.host, header)
	if path != "/poll" {
		if _, err := c.Read(make([]byte, 1)); err != nil {
			n.t.Fatal(err)
		}
	}
	return c
}

// ways are the modes of a session, with the requests of a silent client.
var ways = map[string]struct{ path, protocol string }{
	"plain":       {"/ws", "wirepost.plain"},
	"wirepost.v1": {"/ws", "wirepost.v1"},
	"sse":         {"/sse", ""},
	"poll":        {"/poll", ""},
}

// TestEndedSessionsAreNotCounted: whichever side closes a session, it leaves every
// count, list and limit at that moment, although the client does not respond.
func TestEndedSessionsAreNotCounted(t *testing.T) {
	for cause, test := range map[string]struct {
		end      func(*node)
		code     int
		draining bool
	}{
		"disconnect": {end: func(n *node) {
			if ended, err := n.Disconnect(t.Context(), "42", ""); ended != 1 || err != nil {
				n.t.Errorf("disconnected %d, %v", ended, err)
			}
		}, code: 4409},
		"revocation": {end: func(n *node) {
			if ended, err := n.RevokeTokens(t.Context(), "42", time.Unix(2000, 0)); ended != 1 || err != nil {
				n.t.Errorf("disconnected %d, %v", ended, err)
			}
		}, code: 4401},
		"drain": {end: func(n *node) {
			go n.Shutdown(context.Background()) //nolint:errcheck // the node stops it
			synctest.Wait()
		}, code: 1012, draining: true},
		"heartbeat": {end: func(*node) {
			time.Sleep(61 * time.Second)
			synctest.Wait()
		}, code: 4408},
	} {
		for mode, way := range ways {
			if cause == "heartbeat" && mode == "poll" {
				continue // a poll is too short for a heartbeat
			}
			t.Run(cause+"/"+mode, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var mu sync.Mutex
					var codes []int
					n := newPipeNode(t, func(o *wirepost.Options) {
						o.MaxUserConnections, o.MaxAddressConnections = 1, 1
						if cause == "revocation" {
							issuedTokens(o)
							verify := o.VerifyToken
							o.VerifyToken = func(ctx context.Context, token string) (wirepost.Identity, error) {
								id, err := verify(ctx, token)
								id.Subscribe = []string{"*"}
								return id, err
							}
						}
						o.OnDisconnect = func(_ context.Context, _ wirepost.Session, e wirepost.CloseInfo) {
							mu.Lock()
							defer mu.Unlock()
							codes = append(codes, e.Code)
						}
					})
					c := n.silent(way.path, way.protocol)
					synctest.Wait()
					n.wantOnline(1)

					test.end(n)
					n.wantOnline(0)
					if !test.draining {
						if p := n.text("user:42", "x"); p.Online != 0 {
							t.Errorf("a push finds %d online", p.Online)
						}
						next, resp, err := n.tryDial("user=42&token=42.3000")
						if err != nil {
							t.Fatalf("the next connection: %v %v", err, resp)
						}
						go next.closeCode() // it reads, and so replies to pings
						if got := n.online("42"); got != 1 {
							t.Errorf("%d online with the next connection", got)
						}
					}
					c.Close()
					time.Sleep(time.Minute)
					synctest.Wait()
					mu.Lock()
					defer mu.Unlock()
					if cause == "heartbeat" && mode == "sse" && len(codes) > 0 && codes[0] == 1006 {
						codes[0] = test.code // its write timed out at the same moment
					}
					if len(codes) == 0 || codes[0] != test.code {
						t.Errorf("OnDisconnect got %v, want %d first", codes, test.code)
					}
					if !test.draining {
						n.wantOnline(1)
					}
				})
			})
		}
	}
}

// TestShutdownWithoutReaders: a client that does not read delays a shutdown by the time of a
// closing handshake, in every mode.
func TestShutdownWithoutReaders(t *testing.T) {
	for mode, way := range ways {
		t.Run(mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newPipeNode(t)
				n.silent(way.path, way.protocol)
				synctest.Wait()
				n.wantOnline(1)
				began := time.Now()
				if err := n.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > 6*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// wantOnline checks everything that reports the number of connections.
func (n *node) wantOnline(want int) {
	n.t.Helper()
	info, err := n.User(context.Background(), "42")
	if err != nil {
		n.t.Fatal(err)
	}
	inbox, err := n.Channel(context.Background(), "user:42")
	if err != nil {
		n.t.Fatal(err)
	}
	stats := n.Stats()
	got := []int{
		n.online("42"), info.Online, len(info.Sessions), inbox.Subscribers, stats.Connections, stats.Users,
		min(1, stats.Channels), min(1, len(n.Top(10).Channels)),
	}
	for _, n2 := range got {
		if n2 != want {
			n.t.Errorf("Online, User, Sessions, Subscribers, Connections, Users, any Channels, any on top: %v, want %d of each", got, want)
			return
		}
	}
}
