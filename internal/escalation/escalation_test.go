package escalation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/internal/user"
)

// world is a store, with the Escalations of the nodes that run it.
type world struct {
	t     *testing.T
	log   engine.Engine
	users *user.Users
	sends []string // attempts: when, to whom, and what was done before
	mu    sync.Mutex
	// respond is the push service.
	respond func(ctx context.Context, user string, done []string) (Result, error)
	nodes   []*Escalation
	begun   time.Time
}

const maxAge = 7 * 24 * time.Hour

func newWorld(t *testing.T, respond func(ctx context.Context, user string, done []string) (Result, error)) *world {
	log := memory.New(memory.Options{})
	w := &world{t: t, log: log, respond: respond, begun: time.Now()}
	w.users = user.New(user.Config{Store: log, LogOf: func(string) engine.Log { return log }, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		for _, n := range w.nodes {
			n.Close()
		}
		w.users.Close()
		log.Close()
	})
	return w
}

// node starts a node.
func (w *world) node() *Escalation {
	e := New(Config{
		Log: w.log, Users: w.users, WebPush: w, MaxAge: func(string) time.Duration { return maxAge },
		Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	w.nodes = append(w.nodes, e)
	return e
}

// Send implements WebPush.
func (w *world) Send(ctx context.Context, user string, m *Message, done []string) (Result, error) {
	w.mu.Lock()
	w.sends = append(w.sends, strings.TrimSpace(fmt.Sprintf("%s %s %v %s", time.Since(w.begun), user, done, m.Notification)))
	w.mu.Unlock()
	return w.respond(ctx, user, done)
}

func (w *world) push(user string, steps ...Step) uint64 {
	w.t.Helper()
	p := Plan{Steps: steps, Notification: json.RawMessage(`{"title":"t"}`)}
	if err := p.Check(); err != nil {
		w.t.Fatal(err)
	}
	r, err := w.log.Append(w.t.Context(), []engine.Entry{{
		Channel: "user:" + user, Data: []byte("1"), Sets: p.Timer(time.Now().UnixMilli()), Limits: engine.Limits{MaxAge: maxAge},
	}})
	if err != nil || r[0].Err != nil {
		w.t.Fatal(err, r)
	}
	return r[0].Seq
}

// run runs what is due, until a time after the beginning.
func (w *world) run(e *Escalation, until time.Duration) {
	w.t.Helper()
	for end := w.begun.Add(until); time.Now().Before(end); {
		now := time.Now().UnixMilli()
		timers, next, err := w.log.DueTimers(w.t.Context(), now, 100)
		if err == nil && len(timers) > 0 {
			err = e.Run(w.t.Context(), timers, now)
			next = now + 1
		}
		if err != nil {
			w.t.Fatal(err)
		}
		synctest.Wait()
		time.Sleep(min(time.Until(end), time.Until(time.UnixMilli(next)), sendTimeout)) // what is being sent may move a timer
	}
}

// state writes what has become of the steps of a message.
func (w *world) state(user string, seq uint64) string {
	w.t.Helper()
	s, err := w.nodes[0].Status(w.t.Context(), &engine.Record{Seq: seq}, "user:"+user)
	if err != nil {
		w.t.Fatal(err)
	}
	if s == nil {
		return "none"
	}
	var all []string
	for _, step := range s.Steps {
		text := string(step.State)
		if step.State != Pending {
			text += " " + step.At.Sub(w.begun).Truncate(time.Second).String()
		}
		if len(step.Sent) > 0 {
			text += " to " + strings.Join(step.Sent, ",")
		}
		for _, f := range step.Failed {
			text += " not " + f.Name
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

func (w *world) wantSends(want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range want {
		want[i] += ` {"title":"t"}`
	}
	if !slices.Equal(w.sends, want) {
		w.t.Errorf("sent:\n%s\nwant:\n%s", strings.Join(w.sends, "\n"), strings.Join(want, "\n"))
	}
}

func (w *world) wantState(user string, seq uint64, want string) {
	w.t.Helper()
	if got := w.state(user, seq); got != want {
		w.t.Errorf("state of %s: %s, want %s", user, got, want)
	}
}

func (w *world) acknowledge(name string, seq uint64) {
	w.t.Helper()
	err := w.users.With(w.t.Context(), name, func(u *user.User) error {
		if _, err := u.ConnectDevice("phone", time.Now(), 32); err != nil {
			return err
		}
		u.Acknowledge("phone", "user:"+name, seq)
		return w.users.Save(w.t.Context(), u, false)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func ways(after time.Duration, more ...time.Duration) (steps []Step) {
	for _, d := range append([]time.Duration{after}, more...) {
		steps = append(steps, Step{d, ViaWebPush})
	}
	return steps
}

// TestNotify: a notification is sent once, and what came of it is known until the message
// expires.
func TestNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ context.Context, user string, _ []string) (Result, error) {
			switch user {
			case "none":
				return Result{}, nil
			case "gone":
				return Result{Failed: []Failure{{"old", "410"}}}, nil
			}
			return Result{Sent: []string{"a", "b"}, Failed: []Failure{{"old", "410"}}}, nil
		})
		e := w.node()
		both, none, gone := w.push("both", ways(time.Second, time.Minute)...), w.push("none", ways(2*time.Second)...), w.push("gone", ways(3*time.Second)...)
		w.run(e, time.Hour)
		w.wantSends("1s both []", "2s none []", "3s gone []", "1m0s both []")
		w.wantState("both", both, "sent 1s to a,b not old; sent 1m0s to a,b not old")
		w.wantState("none", none, "no_endpoint 2s")
		w.wantState("gone", gone, "failed 3s not old")
		for c, want := range map[Count]uint64{
			{ViaWebPush, Sent}: 2, {ViaWebPush, NoEndpoint}: 1, {ViaWebPush, Failed}: 1, {ViaWebPush, NotNeeded}: 0,
		} {
			if got := e.Counts()[c]; got != want {
				t.Errorf("%d steps with %v, want %d", got, c, want)
			}
		}
		time.Sleep(maxAge)
		w.run(e, maxAge+2*time.Hour)
		w.wantState("both", both, "none")
	})
}

// TestRetry: only those are tried again that a push service asked for, each when it did; and
// only until the next step, the end of the message, or its acknowledgement.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again := func(name string, after time.Duration) Retry { return Retry{Failure{name, "429"}, after} }
		w := newWorld(t, func(_ context.Context, _ string, done []string) (Result, error) {
			switch fmt.Sprint(done) {
			case "[]":
				return Result{
					Sent: []string{"a"}, Failed: []Failure{{"b", "410"}},
					Again: []Retry{again("d", 40*time.Second), again("c", 20*time.Second), again("e", time.Hour)},
				}, nil
			case "[a b d e]":
				return Result{Sent: []string{"c"}}, nil
			}
			return Result{Again: []Retry{again("d", 20*time.Second)}}, nil
		})
		e := w.node()
		seq := w.push("42", ways(10*time.Second, 75*time.Second)...)
		w.run(e, 80*time.Second)
		w.wantSends("10s 42 []", "30s 42 [a b d e]", "50s 42 [a c b e]", "1m10s 42 [a c b e]", "1m15s 42 []")
		w.wantState("42", seq, "sent 1m10s to a,c not b not d not e; sending 1m15s to a not b")
		w.acknowledge("42", seq)
		w.run(e, time.Hour)
		w.wantSends("10s 42 []", "30s 42 [a b d e]", "50s 42 [a c b e]", "1m10s 42 [a c b e]", "1m15s 42 []")
		w.wantState("42", seq, "sent 1m10s to a,c not b not d not e; sent 1m35s to a not b")
	})
}

// TestRetryErrors: a sender that fails is tried again, less and less often, until the message
// expires.
func TestRetryErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(context.Context, string, []string) (Result, error) { return Result{}, errors.New("broken") })
		e := w.node()
		seq := w.push("42", ways(time.Second)...)
		w.run(e, time.Hour)
		if n := len(w.sends); n < 15 || n > 25 {
			t.Errorf("%d attempts in an hour", n)
		}
		if got := w.state("42", seq); !strings.HasPrefix(got, "sending ") {
			t.Errorf("state: %s", got)
		}
		w.begun = time.Now()
		w.run(e, maxAge)
		w.wantState("42", seq, "none")
		if got := e.Counts()[Count{ViaWebPush, Failed}]; got != 1 {
			t.Errorf("%d have failed", got)
		}
	})
}

// TestLease: what a node had claimed when it died is sent by another one after the lease, and
// only then.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := true
		w := newWorld(t, func(ctx context.Context, _ string, _ []string) (Result, error) {
			if hang {
				<-ctx.Done()
				return Result{}, ctx.Err()
			}
			return Result{Sent: []string{"a"}}, nil
		})
		first, second := w.node(), w.node()
		seq := w.push("42", ways(time.Second, 2*time.Second)...)
		w.run(first, 5*time.Second)
		w.wantState("42", seq, "sending 1s; pending")
		hang = false
		first.Close() // it stores nothing any more
		w.run(second, 30*time.Second)
		w.wantSends("1s 42 []")
		w.run(second, time.Minute)
		w.wantSends("1s 42 []", "31s 42 []", "31.001s 42 []")
		w.wantState("42", seq, "sent 31s to a; sent 31s to a")
	})
}

// TestSlowService: a push service that hangs delays neither other users nor later steps by more
// than its timeout, and too many notifications wait without being claimed.
func TestSlowService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(ctx context.Context, user string, _ []string) (Result, error) {
			if user == "quick" {
				return Result{Sent: []string{"a"}}, nil
			}
			<-ctx.Done()
			return Result{}, ctx.Err()
		})
		e := w.node()
		for i := range maxRequests - 1 {
			w.push(fmt.Sprint(i), ways(time.Second)...)
		}
		seq := w.push("quick", ways(2*time.Second)...)
		w.run(e, 5*time.Second)
		w.wantState("quick", seq, "sent 2s to a")

		e.mu.Lock()
		e.mu.sending = maxRequests + maxSending
		e.mu.Unlock()
		seq = w.push("late", ways(time.Second)...)
		w.run(e, 8*time.Second)
		w.wantState("late", seq, "pending")
		e.mu.Lock()
		e.mu.sending = maxRequests - 1
		e.mu.Unlock()
		w.run(e, 9500*time.Millisecond)
		if got := w.state("late", seq); !strings.HasPrefix(got, "sending ") {
			t.Errorf("late: %s", got)
		}
	})
}

// TestSeveralNodes: of nodes that run the same timer, one sends.
func TestSeveralNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(context.Context, string, []string) (Result, error) { return Result{Sent: []string{"a"}}, nil })
		nodes := []*Escalation{w.node(), w.node(), w.node()}
		w.push("42", ways(time.Second)...)
		time.Sleep(time.Second)
		timers, _, err := w.log.DueTimers(t.Context(), time.Now().UnixMilli(), 100)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for _, e := range nodes {
			all.Go(func() {
				if err := e.Run(t.Context(), slices.Clone(timers), time.Now().UnixMilli()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		synctest.Wait()
		w.wantSends("1s 42 []")
	})
}

// TestMalformed: a timer that cannot be read is removed, and holds up no others.
func TestMalformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(context.Context, string, []string) (Result, error) { return Result{Sent: []string{"a"}}, nil })
		e := w.node()
		for i, data := range []string{"", "x", `{"turn":1}`, `{"turn":-1,"steps":[{}]}`} {
			id := fmt.Sprint(i + 1)
			timer := &engine.Timer{Kind: engine.TimerStep, ID: id, Due: time.Now().UnixMilli(), Data: []byte(data)}
			if _, err := w.log.Append(t.Context(), []engine.Entry{{Channel: "user:1", Bare: true, Sets: timer}}); err != nil {
				t.Fatal(err)
			}
		}
		w.push("42", ways(time.Second)...)
		w.run(e, 2*time.Second)
		w.wantSends("1s 42 []")
		timers, err := w.log.ListTimers(t.Context(), engine.TimerQuery{Kind: engine.TimerStep}, 100)
		if err != nil || len(timers) != 1 || timers[0].Channel != "user:42" {
			t.Errorf("%v, %v", timers, err)
		}
	})
}

// TestNotification: a notification is checked, and stored without white space.
func TestNotification(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`: "",
		` { "title" : "x", "more": [1, {"a":2}] }`: "",
		``:                          "it is not JSON",
		`[]`:                        "not a JSON object",
		`null`:                      "not a JSON object",
		`{"title":1}`:               "its title must be a string, not a number",
		`{"title":"x","title":"y"}`: "given twice",
		`{`:                         "it is not JSON",
		`{"url":"/a:b?c#d","navigate":"HTTPS://example.com/","actions":[{"action":"a","navigate":"http://example.com"},{}]}`: "",
		`{"url":"//example.com/a"}`:                               "",
		`{"url":""}`:                                              "",
		`{"url":"javascript:alert(1)"}`:                           `its url has the scheme "javascript": only relative URLs, http: and https: are opened`,
		`{"url":" \u0001Java\nScript:alert(1)"}`:                  `the scheme "javascript"`,
		`{"url":"data:text/html,x"}`:                              `the scheme "data"`,
		`{"title":"x","navigate":"file:///etc/hosts"}`:            `its navigate has the scheme "file"`,
		`{"navigate":7}`:                                          "its navigate must be a string, not a number",
		`{"actions":[{"navigate":"blob:x"}]}`:                     `its actions: navigate has the scheme "blob"`,
		`{"actions":[{"navigate":7}]}`:                            "its actions: navigate must be a string",
		`{"actions":[7]}`:                                         "an entry of its actions must be an object, not a number",
		`{"actions":{}}`:                                          "its actions must be a list, not an object",
		`{"body":"` + strings.Repeat("x", MaxNotification) + `"}`: "3083 bytes, more than 3072",
	} {
		n, err := CompactNotification(json.RawMessage(text))
		p := Plan{Steps: ways(time.Second), Notification: n}
		if err == nil {
			err = p.Check()
		}
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%.30q: %v", text, err)
		case err == nil && strings.Contains(string(p.Timer(0).Data), " "):
			t.Errorf("stored as %s", p.Timer(0).Data)
		}
	}
}
