package client_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/internal/ws"
)

// TestHostileFrames: a frame that violates wirepost.v1 ends the client with ErrProtocol.
func TestHostileFrames(t *testing.T) {
	for name, frame := range map[string]string{
		"no JSON":             "hi",
		"no object":           "[1]",
		"no type":             "{}",
		"a wrong type":        `{"type":7}`,
		"no seq":              `{"type":"message","channel":"user:42","data":1}`,
		"a negative seq":      `{"type":"message","channel":"user:42","seq":-1,"data":1}`,
		"a text of no text":   `{"type":"message","channel":"user:42","seq":1,"content_type":"text/plain","data":1}`,
		"base64 that is none": `{"type":"message","channel":"user:42","seq":1,"content_type":"a/b","data_base64":"%"}`,
		"two hellos":          hello,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(t *testing.T, p *peer) {
					p.send(hello, frame)
					if _, _, err := p.Read(context.Background()); websocket.CloseStatus(err) != 1003 {
						t.Errorf("the client closed with %v", err)
					}
				})
				c, err := f.dial(t)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := end(t, c); !errors.Is(err, client.ErrProtocol) {
					t.Errorf("ended with %v", err)
				}
			})
		})
	}
}

// TestTolerance: unknown or harmless frames are ignored.
func TestTolerance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ *testing.T, p *peer) {
			p.send(hello, `{"type":"something new","seq":7}`, `{"type":"ok","ref":99}`, `{"type":"ok","ref":"x"}`,
				`{"type":"error","code":"not_found","message":"ack"}`, `{"type":"reply","ref":1e99}`,
				`{"type":"state","channel":"user:42","read":1,"unread":-5}`,
				`{"type":"bye","code":1012,"retry_after_ms":-9223372036854775808}`,
				`{"type":"message","channel":"user:42","seq":1,"data":1,"new":{"field":[]}}`)
			p.Close(4409, "") //nolint:errcheck // the end
		})
		c, err := f.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		if texts, err := end(t, c); len(texts) != 1 || c.Unread("user:42") < 0 {
			t.Errorf("%q %v", texts, err)
		}
	})
}

// TestNoHello: the client disconnects from a server that only pings, and retries.
func TestNoHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t,
			func(t *testing.T, p *peer) {
				go p.next() // reads the pongs
				for p.Ping(t.Context()) == nil {
					time.Sleep(time.Second)
				}
			},
			func(_ *testing.T, p *peer) {
				p.send(hello)
				p.next()
			})
		began := time.Now()
		c, err := f.dial(t)
		if err != nil || time.Since(began) < 30*time.Second || time.Since(began) > 32*time.Second {
			t.Fatalf("%v after %s", err, time.Since(began))
		}
		c.Close()
	})
}

// TestManyChannels: a server cannot exhaust the client's memory with channel names.
func TestManyChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ *testing.T, p *peer) {
			p.send(hello)
			for i := range 20_000 {
				p.send(fmt.Sprintf(`{"type":"state","channel":"c%d","read":1}`, i))
			}
			p.next()
		})
		c, err := f.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := end(t, c); !errors.Is(err, client.ErrProtocol) {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestFlood: from a server that ignores the window, the client reads a bounded amount.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		data := `"` + strings.Repeat("x", 100<<10) + `"`
		f := newFake(t, func(_ *testing.T, p *peer) {
			p.send(hello)
			for i := 1; i <= 1000; i++ {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				err := p.Write(ctx, websocket.MessageText, []byte(message("user:42", i, data)))
				cancel()
				if err != nil {
					return
				}
				sent.Add(1)
			}
		})
		c, err := f.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if n := sent.Load(); n < 100 || n > 200 {
			t.Errorf("%d messages of 100 KiB were read, want about 16 MiB", n)
		}
		c.Close()
	})
}

// raw serves one connection: a correct handshake, then the given bytes.
func raw(t testing.TB, stream []byte) (dial func(context.Context, string, string) (net.Conn, error)) {
	return func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			head := make([]byte, 0, 4096)
			for !bytes.Contains(head, []byte("\r\n\r\n")) {
				n, err := there.Read(head[len(head):cap(head)])
				if err != nil {
					return
				}
				head = head[:len(head)+n]
			}
			_, key, _ := bytes.Cut(head, []byte("Sec-Websocket-Key: "))
			key, _, _ = bytes.Cut(key, []byte("\r\n"))
			accept := sha1.Sum([]byte(string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			fmt.Fprintf(there, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
				"Sec-WebSocket-Protocol: wirepost.v1\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(accept[:]))
			go io.Copy(io.Discard, there) //nolint:errcheck // ends with the connection
			there.Write(stream)           //nolint:errcheck // the same
		}()
		return here, nil
	}
}

// FuzzServer feeds a client with arbitrary bytes from the server. The client must not
// panic, and must end.
func FuzzServer(f *testing.F) {
	text := func(s string) []byte { return ws.AppendFrame(nil, ws.OpText, []byte(s)) }
	f.Add(append(text(hello), text(message("user:42", 1, "1"))...))
	f.Add(append(text(hello), ws.AppendClose(nil, 4409, "x")...))
	f.Add(append(text(hello), text(`{"type":"revoke","channel":"user:42","seq":3,"revoked":1}`)...))
	f.Add(append(text(hello), text(`{"type":"gap","channel":"news","after":8,"resumed_at":12}`)...))
	f.Add(ws.AppendPing(text(hello), []byte("p")))
	f.Add([]byte{0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x01, 0x01, 0xC3})
	f.Fuzz(func(t *testing.T, stream []byte) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			c, err := client.Dial(ctx, "ws://wirepost.test/ws", client.Options{DialContext: raw(t, stream), MaxMessage: 1 << 20})
			if err != nil {
				return
			}
			for range c.Messages(ctx) {
			}
			c.Close()
		})
	})
}
