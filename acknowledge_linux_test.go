package wirepost_test

import (
	"context"
	"net"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/gorilla/websocket"
)

// newUnixNode starts a server on a Unix socket, which has what was written to it when the
// write returns: TCP may deliver it later.
func newUnixNode(t *testing.T) *node {
	t.Helper()
	n := makeNode(t, nil)
	dir, err := os.MkdirTemp("", "w") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	hs := httptest.NewUnstartedServer(n.routes())
	hs.Listener.Close()
	if hs.Listener, err = net.Listen("unix", dir+"/s"); err != nil {
		t.Fatal(err)
	}
	hs.Start()
	t.Cleanup(hs.Close)
	t.Cleanup(n.stop)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", dir+"/s")
	}
	n.host, n.dialer = "wirepost.test", &websocket.Dialer{HandshakeTimeout: patience, NetDialContext: dial}
	return n
}

// A page that acknowledges and is reloaded: the server has the acknowledgement in a socket
// when the next connection comes, whether or not the first one was closed.
func TestAcknowledgementsInASocketAreHonored(t *testing.T) {
	t.Parallel()
	n := newUnixNode(t)
	c, _ := n.dialV1("42")
	for range 200 {
		seq := n.json("user:42", "1").Seq
		c.message("1")
		c.send(`{"type":"ack","channel":"user:42","seq":%d}`, seq)
		c.Close()
		next, hello := n.dialV1("42")
		if got := frame(hello.channel("user:42")).num("after"); got != seq {
			t.Fatalf("message %d was acknowledged, and the next connection begins after %d", seq, got)
		}
		c = next
	}
}
