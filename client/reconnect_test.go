package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/internal/wire"
)

// TestCloseCodes tests the codes of the table that server and clients share, and a few
// others.
func TestCloseCodes(t *testing.T) {
	codes := slices.Clone(wire.CloseCodes)
	for _, code := range []int{1014, 3000, 4000, 4999} {
		codes = append(codes, wire.CloseCode{Code: code, Reconnect: code < 4000})
	}
	for _, code := range codes {
		t.Run(fmt.Sprint(code.Code), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t,
					func(_ *testing.T, p *peer) {
						p.send(hello, message("user:42", 1, "1"))
						switch code.Code {
						case wire.CloseAbnormal:
						case wire.CloseNoStatus:
							p.Close(1005, "") //nolint:errcheck // the test checks the client
						default:
							p.Close(websocket.StatusCode(code.Code), "why") //nolint:errcheck // the same
						}
					},
					func(_ *testing.T, p *peer) {
						p.send(hello, message("user:42", 2, "2"))
						p.Close(wire.CloseDisconnected, "over") //nolint:errcheck // the same
					},
				)
				var received events
				c, err := f.dial(t, received.option)
				if err != nil {
					t.Fatal(err)
				}
				texts, err := end(t, c)
				closed, ok := errors.AsType[*client.CloseError](err)
				if !ok {
					t.Fatalf("final error %v", err)
				}
				if !code.Reconnect {
					if closed.Code != code.Code || closed.Reason != "why" || closed.MayReconnect() || f.count.Load() != 1 {
						t.Errorf("%v after %d connections", closed, f.count.Load())
					}
					return
				}
				if closed.Code != wire.CloseDisconnected || len(texts) != 2 {
					t.Errorf("%v after %q", closed, texts)
				}
				d, _ := last[client.Disconnected](&received)
				if first, ok := errors.AsType[*client.CloseError](d.Err); !ok || first.Code != code.Code || !first.MayReconnect() || d.Retry > time.Second {
					t.Errorf("disconnected: %+v", d)
				}
			})
		})
	}
}

func TestBye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left time.Time
		f := newFake(t,
			func(_ *testing.T, p *peer) {
				p.send(hello, `{"type":"bye","code":1012,"reason":"restart","retry_after_ms":3700}`)
				left = time.Now()
				p.Close(wire.CloseRestart, "restart") //nolint:errcheck // the next script checks
			},
			func(t *testing.T, p *peer) {
				if waited := time.Since(left); waited != 3700*time.Millisecond {
					t.Errorf("reconnected after %s, want 3.7 s as in bye", waited)
				}
				p.send(hello)
				p.next()
			})
		c, err := f.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		none(t, c)
		none(t, c)
		c.Close()
		if f.count.Load() != 2 {
			t.Errorf("%d connections", f.count.Load())
		}
	})
}

// TestHeartbeat: the client disconnects from a server that sends nothing, not even a ping.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var began time.Time
		f := newFake(t,
			func(t *testing.T, p *peer) {
				p.send(hello)
				time.Sleep(50 * time.Second)
				began = time.Now()
				go p.Ping(t.Context()) //nolint:errcheck // ends with the connection
				p.next()               // until the client gives up
			},
			func(t *testing.T, p *peer) {
				if waited := time.Since(began); waited < time.Minute || waited > time.Minute+time.Second {
					t.Errorf("gave up after %s, want 2.4 heartbeats after the last ping", waited)
				}
				p.send(hello)
				p.Close(4409, "") //nolint:errcheck // the end
			})
		var received events
		c, err := f.dial(t, received.option)
		if err != nil {
			t.Fatal(err)
		}
		end(t, c) //nolint:errcheck // 4409
		d, _ := last[client.Disconnected](&received)
		if e, ok := errors.AsType[*client.CloseError](d.Err); !ok || e.Code != 4408 {
			t.Errorf("%v", d.Err)
		}
	})
}

// TestResume: the client sends its position in channels for which the server keeps no
// cursor.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t,
			func(t *testing.T, p *peer) {
				if p.query.Get("after") != "" || p.query.Get("channels") != "news" {
					t.Errorf("query %s", p.query.Encode())
				}
				p.send(hello, message("user:42", 1, "1"), message("user:42", 2, "2"))
			},
			func(t *testing.T, p *peer) {
				if after := p.query.Get("after"); after != "news=7" {
					t.Errorf("after=%s", after)
				}
				p.send(hello, message("user:42", 2, "2"), message("user:42", 3, "3"), message("news", 8, "8"))
				// First the acknowledgement not sent before, then those of the new messages.
				got := []string{p.next(), p.next(), p.next()}
				slices.Sort(got[1:])
				if !slices.Equal(got, []string{
					`{"type":"ack","channel":"user:42","seq":2}`,
					`{"type":"ack","channel":"news","seq":8}`, `{"type":"ack","channel":"user:42","seq":3}`,
				}) {
					t.Errorf("got %q", got)
				}
			},
			func(t *testing.T, p *peer) {
				if after := p.query.Get("after"); after != "news=8" {
					t.Errorf("after=%s", after)
				}
				p.send(`{"type":"hello","user":"42","epoch":"e2","heartbeat_ms":25000,"channels":{"news":{"seq":20}}}`)
				p.next() // the client disconnects: this is another store
			},
			func(t *testing.T, p *peer) {
				if after := p.query.Get("after"); after != "" {
					t.Errorf("after=%s for another store", after)
				}
				p.send(`{"type":"hello","user":"42","epoch":"e2","heartbeat_ms":25000,"channels":{"news":{"seq":20}}}`,
					message("user:42", 1, `"new"`))
				p.next()
				p.Close(4403, "over") //nolint:errcheck // the end
			})
		c, err := f.dial(t, func(o *client.Options) { o.Channels = []string{"news"} })
		if err != nil {
			t.Fatal(err)
		}
		if texts, err := end(t, c); fmt.Sprint(texts) != `[1 2 3 8 "new"]` {
			t.Errorf("got %v, %v", texts, err)
		}
	})
}

// TestAckRhythm: acknowledgements are sent after 100 ms, or at half a window.
func TestAckRhythm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(t *testing.T, p *peer) {
			began := time.Now()
			p.send(hello, message("user:42", 1, "1"), message("user:42", 2, "2"))
			if got := p.next(); got != `{"type":"ack","channel":"user:42","seq":2}` || time.Since(began) != 100*time.Millisecond {
				t.Errorf("%s after %s", got, time.Since(began))
			}
			began = time.Now()
			for i := range 128 {
				p.send(message("user:42", 10+i, "1"))
			}
			if got := p.next(); got != `{"type":"ack","channel":"user:42","seq":137}` || time.Since(began) != 0 {
				t.Errorf("%s after %s", got, time.Since(began))
			}
			p.send(message("user:42", 1000, fmt.Sprintf(`"%0600000d"`, 1)))
			if got := p.next(); got != `{"type":"ack","channel":"user:42","seq":1000}` || time.Since(began) != 0 {
				t.Errorf("%s after %s", got, time.Since(began))
			}
			p.send(message("user:42", 50, `"a repeat of what was acknowledged"`))
			if got := p.next(); got != `{"type":"ack","channel":"user:42","seq":1000}` {
				t.Errorf("%s was sent after a repeated message", got)
			}
			p.Close(4409, "") //nolint:errcheck // the end
		})
		c, err := f.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		if texts, _ := end(t, c); len(texts) != 131 {
			t.Errorf("%d messages", len(texts))
		}
	})
}

// TestTransient: Dial retries temporary failures until its context is done.
func TestTransient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		s.stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := client.Dial(ctx, "ws://wirepost.test/ws?user=42", client.Options{DialContext: s.dialer})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a server: %v", err)
		}
		go func() {
			time.Sleep(time.Minute)
			s.start()
		}()
		s.dial("42")
	})
}
