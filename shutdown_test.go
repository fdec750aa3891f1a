package wirepost_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine/memory"
)

// stuck makes callbacks hang until the test ends.
func stuck(t *testing.T, n *wirepost.Options, called chan<- struct{}) {
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	n.OnMessage = func(context.Context, wirepost.Session, wirepost.Frame) (wirepost.Frame, error) {
		called <- struct{}{}
		<-release
		return wirepost.Frame{}, nil
	}
}

// A callback that never returns delays Shutdown by one second only.
func TestShutdownAbandonsACallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		called := make(chan struct{}, 1)
		var log lockedBuffer
		n := newPipeNode(t, func(o *wirepost.Options) {
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
			stuck(t, o, called)
		})
		n.dial("42").send("hello")
		<-called
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begun := time.Now()
		if err := n.Shutdown(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("Shutdown: %v", err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if !strings.Contains(log.String(), "callbacks did not return") {
			t.Errorf("the log: %s", log.String())
		}
	})
}

// The same without a deadline.
func TestShutdownWithoutADeadlineAbandonsACallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		called := make(chan struct{}, 1)
		n := newPipeNode(t, func(o *wirepost.Options) { stuck(t, o, called) })
		n.dial("42").send("hello")
		<-called
		begun := time.Now()
		if err := n.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if took := time.Since(begun); took > time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

// A callback of a connect request that does not return delays Shutdown as others do.
func TestShutdownWhileConnecting(t *testing.T) {
	for _, callback := range []string{"Authenticate", "OnConnect", "OnSubscribe"} {
		t.Run(callback, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				called, done := make(chan struct{}), make(chan struct{})
				hang := func(in string) {
					if in == callback {
						close(called)
						<-done
					}
				}
				n := newPipeNode(t, func(o *wirepost.Options) {
					o.Channels = []wirepost.Policy{{Pattern: "room:*", Subscribe: wirepost.AccessHook}}
					o.Authenticate = func(r *http.Request) (wirepost.Identity, error) {
						hang("Authenticate")
						return byQuery(r)
					}
					o.OnConnect = func(*http.Request, wirepost.Session) error { hang("OnConnect"); return nil }
					o.OnSubscribe = func(context.Context, wirepost.Session, string) error { hang("OnSubscribe"); return nil }
				})
				var dialed sync.WaitGroup
				dialed.Go(func() {
					if _, _, err := n.tryDial("user=42&channels=room:7"); err == nil {
						t.Error("connected during Shutdown")
					}
				})
				<-called
				begun := time.Now()
				if err := n.Shutdown(t.Context()); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				if took := time.Since(begun); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
				if err := n.Shutdown(t.Context()); err != nil {
					t.Errorf("a second Shutdown: %v", err)
				}
				close(done)
				dialed.Wait()
			})
		})
	}
}

// Shutdown may be called in every callback.
func TestShutdownInACallback(t *testing.T) {
	for _, callback := range []string{"OnConnect", "OnMessage", "OnDisconnect"} {
		t.Run(callback, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				done := make(chan error, 1)
				var n *node
				shutdown := func(in string) {
					if in == callback {
						done <- n.Shutdown(context.Background())
					}
				}
				n = newPipeNode(t, func(o *wirepost.Options) {
					o.OnConnect = func(*http.Request, wirepost.Session) error { shutdown("OnConnect"); return nil }
					o.OnMessage = func(context.Context, wirepost.Session, wirepost.Frame) (wirepost.Frame, error) {
						shutdown("OnMessage")
						return wirepost.Frame{}, nil
					}
					o.OnDisconnect = func(context.Context, wirepost.Session, wirepost.CloseInfo) { shutdown("OnDisconnect") }
				})
				if c, _, err := n.tryDial("user=42"); err == nil {
					c.send("hello")
					if callback == "OnDisconnect" {
						c.leave()
					} else {
						c.closeCode()
					}
				}
				begun := time.Now()
				if err := <-done; err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				if took := time.Since(begun); took > time.Minute {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// Closing the store too early loses unsaved changes, and nothing else.
func TestShutdownAfterTheStore(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*wirepost.Options){
		"memory": func(*wirepost.Options) {},
		"pebble": onDisk(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan wirepost.CloseInfo, 3)
			n := newNode(t, open, func(o *wirepost.Options) {
				o.OnDisconnect = func(_ context.Context, _ wirepost.Session, e wirepost.CloseInfo) { ended <- e }
			})
			n.dial("42")
			v1, _ := n.dialV1("43")
			m := n.text("user:43", "hello")
			v1.frame("message")
			v1.send(`{"type":"ack","channel":"user:43","seq":%d}`, m.Seq)
			n.events("44")
			if err := n.engine.Close(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			n.Shutdown(ctx) //nolint:errcheck // connections of clients that do not respond are closed
			if ctx.Err() != nil {
				t.Error("Shutdown took until its context ended")
			}
			for range 3 {
				select {
				case <-ended:
				case <-time.After(patience):
					t.Fatal("a session does not end")
				}
			}
		})
	}
}

// New refuses invalid options, with the field.
func TestInvalidOptions(t *testing.T) {
	t.Parallel()
	var none *memory.Engine
	used := memory.New(memory.Options{})
	n := newNode(t, func(o *wirepost.Options) { o.Engine = used })
	for field, change := range map[string]func(*wirepost.Options){
		"Engine":        func(o *wirepost.Options) { o.Engine = none },
		"Engine ":       func(o *wirepost.Options) { o.Engine = used },
		"Heartbeat":     func(o *wirepost.Options) { o.Heartbeat = time.Millisecond },
		"AckDelay":      func(o *wirepost.Options) { o.AckDelay = time.Microsecond },
		"PageMemory":    func(o *wirepost.Options) { o.PageMemory = -1 },
		"ChannelMemory": func(o *wirepost.Options) { o.ChannelMemory = -1 },
	} {
		o := wirepost.Options{Authenticate: byQuery}
		change(&o)
		s, err := wirepost.New(o)
		wantOption(t, err, strings.TrimSpace(field))
		if s != nil {
			s.Shutdown(t.Context()) //nolint:errcheck // it has no connections
		}
	}
	// After a shutdown the engine can be used by the next server.
	if err := n.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	next, err := wirepost.New(wirepost.Options{Authenticate: byQuery, Engine: used})
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Probable mistakes are logged.
func TestHints(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	n := newNode(t, func(o *wirepost.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	n.dial("42")
	if _, err := n.Push(t.Context(), wirepost.Push{To: "user:42", Data: []byte("hello")}); err == nil || !strings.Contains(err.Error(), "text/plain") {
		t.Errorf("text without a content type: %v", err)
	}
	n.text("news", "to nobody")
	if strings.Contains(log.String(), "inbox=") {
		t.Errorf("an unnecessary hint: %s", log.String())
	}
	for range 2 {
		n.text("42", "hello")
	}
	if strings.Count(log.String(), "inbox=user:42") != 1 {
		t.Errorf("the log: %s", log.String())
	}
}

// A push with a canceled context stores nothing.
func TestPushWithAnEndedContext(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		o.Channels = []wirepost.Policy{{Pattern: "memory", NonDurable: true}}
	})
	m := n.text("news", "there")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, to := range []string{"news", "memory"} {
		p := wirepost.Push{To: to, Data: []byte("1")}
		_, one := n.Push(ctx, p)
		_, all := n.PushAll(ctx, []wirepost.Push{p, p})
		each := n.PushEach(ctx, []wirepost.Push{p})
		_, revoked := n.Revoke(ctx, to, m.Seq)
		for _, err := range []error{one, all, each[0].Err, revoked} {
			if e := wirepost.AsError(err); err == nil || e.Code != wirepost.CodeUnavailable || !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", to, err)
			}
		}
	}
	if c, err := n.Channel(t.Context(), "news"); err != nil || c.Head != m.Seq {
		t.Errorf("%+v, %v", c, err)
	}
}
