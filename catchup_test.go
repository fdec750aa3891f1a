package wirepost_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/memory"
)

// replica is a node's engine in a cluster of one. What it has not applied yet is what the
// test has not pushed yet.
type replica struct {
	engine.Engine
	bus  logtest.Bus
	lags atomic.Bool
	log  atomic.Pointer[func(channel string) error] // what CatchUp does; nil: nothing
}

func (r *replica) CatchUp(_ context.Context, channel string) error {
	if f := r.log.Load(); f != nil {
		return (*f)(channel)
	}
	return nil
}

// Save fails if users catch up with a log that is out of reach.
func (r *replica) Save(ctx context.Context, updates []engine.Update, sync bool) error {
	if f := r.log.Load(); f != nil && len(updates) == 1 && reflect.DeepEqual(updates[0], engine.Update{User: updates[0].User}) {
		if err := (*f)(updates[0].User); err != nil {
			return err
		}
	}
	return r.Engine.Save(ctx, updates, sync)
}

func (r *replica) Node() string                           { return "a" }
func (r *replica) Bus() engine.Bus                        { return &r.bus }
func (r *replica) WatchUsers(func([]engine.Update, bool)) {}
func (r *replica) WatchIsolation(func(bool))              {}
func (r *replica) SetConnections(func() int)              {}
func (r *replica) SetDraining(bool)                       {}
func (r *replica) Cluster() engine.Cluster                { return engine.Cluster{Node: "a"} }
func (r *replica) Repair(context.Context, bool) ([]int, error) {
	return nil, nil
}
func (r *replica) Forget(context.Context, string) error { return nil }
func (r *replica) Stats() engine.ClusterStats           { return engine.ClusterStats{} }
func (r *replica) Memory() engine.Engine                { return memory.New(memory.Options{}) }
func (r *replica) Ready() error {
	if r.lags.Load() {
		return errors.New("catching up")
	}
	return nil
}

var _ engine.Shared = (*replica)(nil)

func newReplica(t *testing.T, change ...func(*wirepost.Options)) (*node, *replica) {
	r := &replica{Engine: memory.New(memory.Options{})}
	return newPipeNode(t, append(change, func(o *wirepost.Options) { o.Engine = r })...), r
}

// A node that has not caught up since it started does not know what it had confirmed before,
// such as that a token is revoked: it refuses clients until it has all of their users. Later it
// may lag.
func TestConnectBeforeCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, r := newReplica(t, issuedTokens)
		device := engine.Device{Name: "", Used: 1, Cursors: []engine.Cursor{{Channel: "user:42", Seq: 0}, {Channel: "all", Seq: 0}}}
		if err := r.Engine.Save(t.Context(), []engine.Update{{User: "42", Devices: []engine.Device{device}}}, true); err != nil {
			t.Fatal(err)
		}
		unreached := func(string) error { return engine.ErrUnavailable }
		dial := func(want int) {
			t.Helper()
			status := 101
			c, refusal, err := n.tryDial("token=42.1000", "wirepost.v1")
			if err == nil {
				c.Close()
			} else if refusal != nil {
				status = refusal.StatusCode
			}
			if status != want {
				t.Errorf("status %d (%v), want %d", status, err, want)
			}
		}
		r.lags.Store(true)
		r.log.Store(&unreached)
		dial(503)
		revoked := func(user string) error {
			r.log.Store(nil)
			_, err := n.RevokeTokens(t.Context(), user, time.Unix(2000, 0))
			return err
		}
		r.log.Store(&revoked)
		dial(401)

		r.log.Store(&unreached)
		r.lags.Store(false)
		dial(401)
		r.lags.Store(true)
		dial(401) // by what is known here
	})
}

// A client that has received more than the node has applied gets what comes after that,
// however it says so.
func TestPositionOfAnotherNode(t *testing.T) {
	for name, connect := range map[string]func(n *node) *client{
		"in the URL": func(n *node) *client {
			c, _ := n.dialV1("42&after=room=3&channels=room")
			return c
		},
		"when subscribing": func(n *node) *client {
			c, _ := n.dialV1("42")
			c.send(`{"type":"subscribe","ref":1,"channel":"room","after":3}`)
			if ok := c.frame("ok"); ok.num("seq") < 3 {
				t.Errorf("subscribed at the head %v", ok["seq"])
			}
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, _ := newReplica(t)
				n.text("room", "1")
				n.text("room", "2")
				begun := time.Now()
				connected := make(chan *client)
				go func() { connected <- connect(n) }()
				synctest.Wait()
				n.text("room", "3")
				c := <-connected
				n.text("room", "4")
				c.message(`"4"`)
				if took := time.Since(begun); took != 0 {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

// A position that no node has is one above the head, after a while. If the node is known
// to lag, the client is refused: another node may have it.
func TestPositionThatDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, r := newReplica(t)
		n.text("user:42", "1")
		begun := time.Now()
		c, hello := n.dialV1("42&after=9")
		if head := hello.channel("user:42").num("seq"); head != 1 || time.Since(begun) != 5*time.Second {
			t.Errorf("hello with the head %v after %s", head, time.Since(begun))
		}
		n.text("user:42", "2")
		c.message(`"2"`)

		// It does not know whether it lags.
		unreached := func(string) error { return engine.ErrUnavailable }
		r.log.Store(&unreached)
		if _, refusal, err := n.tryDial("user=42&after=9", "wirepost.v1"); err == nil || refusal == nil || refusal.StatusCode != 503 {
			t.Errorf("a node that does not reach the log: %v, %v", refusal, err)
		}
		// The log has something that the node had not.
		late := func(channel string) error { n.text(channel, "3"); return nil }
		r.log.Store(&late)
		if _, hello := n.dialV1("42&after=3"); hello.channel("user:42").num("seq") != 3 {
			t.Errorf("hello %v", hello)
		}

		r.log.Store(nil)
		r.lags.Store(true)
		_, refusal, err := n.tryDial("user=42&after=9", "wirepost.v1")
		if err == nil || refusal == nil || refusal.StatusCode != 503 || refusal.Header.Get("Retry-After") == "" {
			t.Errorf("a node that lags: %v, %v", refusal, err)
		}

		begun = time.Now()
		n.dialV1("42&after=18446744073709551615")
		if took := time.Since(begun); took != 0 {
			t.Errorf("the largest number took %s", took)
		}
	})
}

// TestChangeWhatAnotherNodeHasStored: changes that depend on what is stored go by what all
// nodes have stored, and not by what this node has applied.
func TestChangeWhatAnotherNodeHasStored(t *testing.T) {
	for name, tt := range map[string]struct {
		meanwhile func(n *node) // what another node has stored
		change    func(n *node) error
		applied   func(n *node) bool
	}{
		"cancel": {
			func(n *node) { n.push(wirepost.Push{To: "room", ID: "x", Data: []byte("1"), Delay: time.Hour}) },
			func(n *node) error { return n.CancelScheduled(context.Background(), "x", "room") },
			func(n *node) bool { return len(scheduled(n)) == 0 },
		},
		"cancel everywhere": {
			func(n *node) { n.push(wirepost.Push{To: "room", ID: "x", Data: []byte("1"), Delay: time.Hour}) },
			func(n *node) error { return n.CancelScheduled(context.Background(), "x", "") },
			func(n *node) bool { return len(scheduled(n)) == 0 },
		},
		"read": {
			func(n *node) { n.text("user:42", "2") },
			func(n *node) error {
				read, _, err := n.MarkRead(context.Background(), "42", "user:42", 2)
				if err == nil && read != 2 {
					err = fmt.Errorf("read up to %d", read)
				}
				return err
			},
			func(*node) bool { return true },
		},
		"empty": {
			func(n *node) { n.text("user:42", "2") },
			func(n *node) error { return n.Empty(context.Background(), "user:42") },
			func(n *node) bool {
				list, _, err := n.Messages(context.Background(), "user:42", 0, 10)
				return err == nil && len(list) == 0
			},
		},
		"join": {
			func(n *node) { n.text("room", "1") },
			func(n *node) error { return n.Join(context.Background(), "42", "room") },
			func(n *node) bool {
				u, err := n.User(context.Background(), "42")
				return err == nil && u.Channels["room"].Read == 1
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, r := newReplica(t)
				n.text("user:42", "1")
				stored := false
				meanwhile := func(channel string) error {
					if !stored && channel != "42" { // the user is not what was stored
						stored = true
						tt.meanwhile(n)
					}
					return nil
				}
				r.log.Store(&meanwhile)
				if err := tt.change(n); err != nil || !stored || !tt.applied(n) {
					t.Errorf("it is not changed: %v, stored meanwhile: %v", err, stored)
				}
			})
		})
	}
}

func scheduled(n *node) []wirepost.Scheduled {
	list, _, err := n.Scheduled(context.Background(), wirepost.ScheduledQuery{})
	if err != nil {
		panic(err)
	}
	return list
}
