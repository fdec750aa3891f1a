package wirepost_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coder "github.com/coder/websocket"

	"github.com/wirepost/wirepost"
)

func compressing(o *wirepost.Options) { o.Compress = true }

// offer dials and offers permessage-deflate; read counts the bytes received.
func (n *node) offer(query string, protocols ...string) (c *client, extension string, read *atomic.Int64) {
	n.t.Helper()
	read = new(atomic.Int64)
	old := n.dialer
	defer func() { n.dialer = old }()
	d := *old
	d.EnableCompression = true
	d.NetDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		return countedConn{nc, read}, err
	}
	n.dialer = &d
	c, resp, err := n.tryDial("user="+query, protocols...)
	if err != nil {
		n.t.Fatal(err)
	}
	return c, resp.Header.Get("Sec-WebSocket-Extensions"), read
}

type countedConn struct {
	net.Conn
	read *atomic.Int64
}

func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Add(int64(n))
	return n, err
}

// wordy is a JSON string of n bytes that shrinks to almost nothing.
func wordy(n int) string { return `"` + strings.Repeat("wirepost ", n/9) + `"` }

// TestCompressBroadcast: clients with and without compression get the same messages.
func TestCompressBroadcast(t *testing.T) {
	t.Parallel()
	n := newNode(t, compressing)
	const size = 16 << 10
	type listener struct {
		*client
		v1     bool
		read   *atomic.Int64
		before int64
	}
	var all []*listener
	for _, protocols := range [][]string{nil, {"wirepost.v1"}} {
		for i := range 3 {
			user := fmt.Sprintf("%d-%d&channels=news", i, len(protocols))
			c, extension, read := n.offer(user, protocols...)
			if extension != "permessage-deflate; server_no_context_takeover; client_no_context_takeover" {
				t.Fatalf("the response to the offer is %q", extension)
			}
			plain := n.dial(user, protocols...)
			for _, c := range []*client{c, plain} {
				if protocols != nil {
					c.frame("hello")
				}
			}
			all = append(all, &listener{c, protocols != nil, read, read.Load()}, &listener{plain, protocols != nil, nil, 0})
		}
	}
	messages := []string{wordy(size), `{"short":true}`, wordy(size), `"` + strings.Repeat("é", 200) + `"`}
	for _, m := range messages {
		n.json("news", m)
	}
	for _, l := range all {
		for _, m := range messages {
			if l.v1 {
				l.message(m)
			} else {
				l.want(m)
			}
		}
		if l.read != nil && l.read.Load()-l.before > size/8 {
			t.Errorf("received %d bytes of messages that shrink to almost nothing", l.read.Load()-l.before)
		}
	}
}

// TestCompressBacklog: messages from the store are compressed as well.
func TestCompressBacklog(t *testing.T) {
	t.Parallel()
	n := newNode(t, compressing)
	for range 100 {
		n.json("user:42", wordy(2000))
	}
	c, _, read := n.offer("42")
	for range 100 {
		c.want(wordy(2000))
	}
	v1, _, _ := n.offer("42&device=d1&after=0", "wirepost.v1")
	v1.frame("hello")
	for range 100 {
		v1.message(wordy(2000))
	}
	if read.Load() > 100*500 {
		t.Errorf("received %d bytes", read.Load())
	}
}

// TestCompressIncoming: the server accepts compressed messages, and applies its limit
// to their inflated size.
func TestCompressIncoming(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	n := newNode(t, compressing, func(o *wirepost.Options) {
		o.MaxMessage = 4096
		o.OnMessage = func(_ context.Context, _ wirepost.Session, f wirepost.Frame) (wirepost.Frame, error) {
			got <- string(f.Data)
			return wirepost.Frame{}, nil
		}
	})
	c, _, _ := n.offer("42&channels=room:7")
	c.send("%s", wordy(4000))
	if m := <-got; m != wordy(4000) {
		t.Fatalf("the handler got %q", m)
	}
	v1, _, _ := n.offer("43", "wirepost.v1")
	v1.frame("hello")
	v1.send(`{"type":"publish","ref":1,"to":"room:7","data":%s}`, wordy(4000))
	v1.frame("ok")
	c.want(wordy(4000))
	c.send("%s", strings.Repeat("0", 1<<20))
	if code := c.closeCode(); code != 1009 {
		t.Errorf("a bomb closed with %d", code)
	}
	v1.send("%s", strings.Repeat("0", 5000))
	v1.frame("error") // a frame may be longer than the data
	v1.send("%s", strings.Repeat("0", 1<<20))
	if code := v1.closeCode(); code != 1009 {
		t.Errorf("a bomb closed with %d", code)
	}
}

// upgradeBy makes a handshake by hand, because clients do not allow other extensions.
func (n *node) upgradeBy(query string, offers ...string) (*http.Response, *bufio.Reader) {
	n.t.Helper()
	nc, err := net.Dial("tcp", n.host)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // then reading fails
	req, err := http.NewRequest(http.MethodGet, "http://"+n.host+"/ws?"+query, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		req.Header.Set(name, value)
	}
	for _, o := range offers {
		req.Header.Add("Sec-WebSocket-Extensions", o)
	}
	if err := req.Write(nc); err != nil {
		n.t.Fatal(err)
	}
	r := bufio.NewReader(nc)
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		n.t.Fatal(err)
	}
	return resp, r
}

// TestCompressNegotiated: an offer is accepted or ignored, and the connection is made
// in any case.
func TestCompressNegotiated(t *testing.T) {
	t.Parallel()
	const accepted = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	on, off := newNode(t, compressing), newNode(t)
	for i, c := range []struct {
		n      *node
		offers []string
		want   string
	}{
		{on, []string{"permessage-deflate; client_max_window_bits"}, accepted},
		{on, []string{"foo", "permessage-deflate; x", "permessage-deflate; server_max_window_bits=15"}, accepted + "; server_max_window_bits=15"},
		{on, nil, ""},
		{on, []string{"permessage-deflate; server_max_window_bits=10"}, accepted + "; server_max_window_bits=10"},
		{on, []string{"permessage-deflate; unknown"}, ""},
		{on, []string{`permessage-deflate; client_max_window_bits="`}, ""},
		{on, []string{`;,="`}, ""},
		{off, []string{"permessage-deflate"}, ""},
	} {
		user := fmt.Sprintf("user:%d", i)
		resp, r := c.n.upgradeBy("user="+user[5:], c.offers...)
		got := resp.Header.Values("Sec-WebSocket-Extensions")
		if resp.StatusCode != http.StatusSwitchingProtocols || strings.Join(got, "|") != c.want {
			t.Errorf("the response to %q is %d and %q", c.offers, resp.StatusCode, got)
		}
		c.n.json(user, wordy(1000))
		first, err := r.ReadByte()
		if want := c.want != ""; err != nil || (first == 0xC1) != want || (first == 0x81) == want {
			t.Errorf("%q: a frame that begins with %#x, %v", c.offers, first, err)
		}
	}
}

// TestCompressRefused: an offer does not change a failed handshake.
func TestCompressRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t, compressing)
	for _, query := range []string{"", "user=42&channels=user:43"} {
		resp, _ := n.upgradeBy(query, "permessage-deflate")
		if resp.StatusCode/100 != 4 || resp.Header.Get("Sec-WebSocket-Extensions") != "" {
			t.Errorf("%q: %v", query, resp)
		}
	}
}

// TestCompressCoder: another client, with and without context takeover in its offer.
func TestCompressCoder(t *testing.T) {
	t.Parallel()
	n := newNode(t, compressing)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i, mode := range []coder.CompressionMode{coder.CompressionContextTakeover, coder.CompressionNoContextTakeover} {
		c, resp, err := coder.Dial(ctx, fmt.Sprintf("ws://%s/ws?user=%d", n.host, i), &coder.DialOptions{
			Subprotocols: []string{"wirepost.v1"}, CompressionMode: mode, CompressionThreshold: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow() //nolint:errcheck // it is over
		if resp.Header.Get("Sec-WebSocket-Extensions") == "" {
			t.Fatal("compression was not negotiated")
		}
		c.SetReadLimit(1 << 20)
		for round := range 3 { // with a context the second one would refer to the first
			publish := fmt.Sprintf(`{"type":"publish","ref":%d,"to":"user:%d","data":%s}`, round, i, wordy(4000))
			if err := c.Write(ctx, coder.MessageText, []byte(publish)); err != nil {
				t.Fatal(err)
			}
		}
		for seen := 0; seen < 3; {
			_, text, err := c.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var f struct {
				Type string
				Data json.RawMessage
			}
			if err := json.Unmarshal(text, &f); err != nil {
				t.Fatal(err)
			}
			if f.Type != "message" {
				continue
			}
			if seen++; string(f.Data) != wordy(4000) {
				t.Errorf("got %s", f.Data)
			}
		}
	}
}

// TestCompressEcho: the echo accepts compressed messages and sends uncompressed ones.
func TestCompressEcho(t *testing.T) {
	t.Parallel()
	n := newNode(t, compressing)
	hs := httptest.NewServer(n.Echo())
	t.Cleanup(hs.Close)
	n.host = strings.TrimPrefix(hs.URL, "http://")
	c, extension, _ := n.offer("")
	if extension == "" {
		t.Fatal("compression was not negotiated")
	}
	for _, m := range []string{"", "short", wordy(1000), wordy(60_000)} {
		c.send("%s", m)
		c.want(m)
	}
}
