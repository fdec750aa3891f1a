package client_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/client"
)

// script is the behavior of a scripted server on one connection.
type script func(t *testing.T, p *peer)

// peer is the server's end of a client's connection.
type peer struct {
	*websocket.Conn
	query url.Values
	token string
}

// send sends frames. It ignores errors: the test fails on the missing frames.
func (p *peer) send(frames ...string) {
	for _, f := range frames {
		p.Write(context.Background(), websocket.MessageText, []byte(f)) //nolint:errcheck // see above
	}
}

// next returns the next frame from the client, "" when the connection is closed.
func (p *peer) next() string {
	_, frame, err := p.Read(context.Background())
	if err != nil {
		return ""
	}
	return string(frame)
}

const hello = `{"type":"hello","user":"42","epoch":"e1","heartbeat_ms":25000,"channels":{"user:42":{"seq":2,"unread":2},"news":{"seq":7}}}`

func message(channel string, seq int, data string) string {
	return fmt.Sprintf(`{"type":"message","channel":%q,"seq":%d,"data":%s}`, channel, seq, data)
}

// fake is a server that runs one script per connection, in order. The last one is repeated.
type fake struct {
	pipes   *pipes
	count   atomic.Int32
	front   atomic.Pointer[http.HandlerFunc] // if set, responds instead of the server
	server  *http.Server
	serving sync.WaitGroup
}

func newFake(t *testing.T, scripts ...script) *fake {
	f := &fake{pipes: newPipes()}
	f.server = &http.Server{
		ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f.serving.Add(1) // the server does not wait for hijacked connections
			defer f.serving.Done()
			if front := f.front.Load(); front != nil {
				(*front)(w, r)
				return
			}
			n := min(int(f.count.Add(1)), len(scripts))
			conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"wirepost.v1"}})
			if err != nil {
				t.Error(err)
				return
			}
			conn.SetReadLimit(1 << 20)
			scripts[n-1](t, &peer{Conn: conn, query: r.URL.Query(), token: r.Header.Get("Authorization")})
			conn.CloseNow() //nolint:errcheck // usually already closed
		}),
	}
	f.serving.Go(func() { f.server.Serve(f.pipes) }) //nolint:errcheck // returns on Close
	t.Cleanup(func() {
		f.server.Close()
		f.serving.Wait()
	})
	return f
}

func (f *fake) dial(t *testing.T, change ...func(*client.Options)) (*client.Client, error) {
	o := client.Options{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return f.pipes.dial(ctx, network, address)
	}}
	for _, c := range change {
		c(&o)
	}
	c, err := client.Dial(t.Context(), "ws://wirepost.test/ws", o)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// end ranges over all messages, and returns their texts and the final error.
func end(t *testing.T, c *client.Client) (texts []string, err error) {
	for msg, err := range c.Messages(t.Context()) {
		if err != nil {
			return texts, err
		}
		texts = append(texts, string(msg.Data))
	}
	t.Error("the loop ended without an error")
	return texts, nil
}
