package wirepost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost"
)

// byEvent are steps via events, at these times.
func byEvent(after ...time.Duration) (steps []wirepost.EscalationStep) {
	for _, d := range after {
		steps = append(steps, wirepost.EscalationStep{After: d, Via: wirepost.ViaEvent})
	}
	return steps
}

// escalated pushes a message with steps via events.
func (n *node) escalated(to string, after ...time.Duration) wirepost.PushResult {
	n.t.Helper()
	return n.push(wirepost.Push{To: to, Data: []byte(`1`), Escalate: byEvent(after...)})
}

// escalations lists the events of steps: user, sequence and step.
func (n *node) escalations() (all []string) {
	n.t.Helper()
	for _, e := range n.logged(0) {
		if e.Type == wirepost.EventMessageUnacknowledged {
			all = append(all, fmt.Sprintf("%s %d #%d", e.User, e.Data.Seq, e.Data.Step))
		}
	}
	return all
}

// steps are the states of the steps of a message.
func (n *node) steps(user string, seq uint64) string {
	n.t.Helper()
	e, err := n.Escalation(context.Background(), "user:"+user, seq)
	if err != nil {
		n.t.Fatal(err)
	}
	if e == nil {
		return ""
	}
	var all []string
	for _, s := range e.Steps {
		all = append(all, strings.TrimSuffix(fmt.Sprintf("%s by %s", s.State, strings.Join(s.Acknowledged, ",")), " by "))
	}
	return strings.Join(all, ", ")
}

// TestEscalation: each step happens at its time, until a device acknowledges.
func TestEscalation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, writing("message.unacknowledged"), func(o *wirepost.Options) { o.Heartbeat = 24 * time.Hour })
		start := time.Now()
		seq := n.escalated("user:42", 30*time.Second, 10*time.Minute, time.Hour).Seq
		time.Sleep(30*time.Second - time.Millisecond)
		n.wantEvents()
		if got := n.steps("42", seq); got != "pending, pending, pending" {
			t.Errorf("steps: %s", got)
		}
		time.Sleep(10 * time.Millisecond)
		n.wantEvents(fmt.Sprint("message.unacknowledged 42 user:42 ", seq))
		e := n.logged(0)[0]
		if e.Data.Step != 1 || e.Data.ID == "" || e.Time-start.UnixMilli() > 30_005 {
			t.Errorf("%+v, at %d", e, e.Time-start.UnixMilli())
		}
		c, _ := n.dialV1("42&device=phone")
		c.message("1")
		time.Sleep(10 * time.Minute) // delivered, not acknowledged
		if got := n.escalations(); len(got) != 2 || got[1] != fmt.Sprintf("42 %d #2", seq) {
			t.Errorf("%q", got)
		}
		c.send(`{"type":"ack","channel":"user:42","seq":%d}`, seq)
		time.Sleep(time.Hour)
		if got := n.escalations(); len(got) != 2 {
			t.Errorf("after the acknowledgement: %q", got)
		}
		if got := n.steps("42", seq); got != "sent, sent, not_needed by phone" {
			t.Errorf("steps: %s", got)
		}
		time.Sleep(30 * 24 * time.Hour)
		if _, err := n.Escalation(t.Context(), "user:42", seq); wirepost.AsError(err).Code != wirepost.CodeNotFound {
			t.Errorf("of a message that has expired: %v", err)
		}
	})
}

// TestEscalationUntilRead: a message that is to be read is not enough acknowledged.
func TestEscalationUntilRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, writing("message.unacknowledged"))
		c, _ := n.dialV1("42&device=phone")
		push := func() uint64 {
			return n.push(wirepost.Push{To: "user:42", Data: []byte(`1`), Escalate: byEvent(time.Second, time.Minute), Until: wirepost.UntilRead}).Seq
		}
		first := push()
		c.message("1")
		c.send(`{"type":"ack","channel":"user:42","seq":%d}`, first)
		time.Sleep(2 * time.Second)
		c.send(`{"type":"read","channel":"user:42","seq":%d}`, first)
		time.Sleep(time.Minute)
		if got := n.escalations(); !slices.Equal(got, []string{fmt.Sprintf("42 %d #1", first)}) {
			t.Errorf("%q", got)
		}
		if got := n.steps("42", first); got != "sent, not_needed by phone" {
			t.Errorf("steps: %s", got)
		}
		second := push()
		if _, _, err := n.MarkRead(t.Context(), "42", "user:42", second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if got := n.escalations(); len(got) != 1 {
			t.Errorf("after it was read: %q", got)
		}
	})
}

// TestEscalationStops: of a message that is gone, nothing more happens.
func TestEscalationStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, writing("message.unacknowledged"))
		revoked := n.escalated("user:1", time.Second).Seq
		if _, err := n.Revoke(t.Context(), "user:1", revoked); err != nil {
			t.Fatal(err)
		}
		p := wirepost.Push{To: "user:2", Data: []byte(`1`), Key: "k", Escalate: byEvent(10 * time.Second)}
		n.push(p)
		time.Sleep(9 * time.Second)
		latest := n.push(p).Seq
		n.push(wirepost.Push{To: "user:3", Data: []byte(`1`), TTL: 30 * time.Second, Escalate: byEvent(20 * time.Second)})
		n.escalated("user:4", time.Minute)
		if err := n.Empty(t.Context(), "user:4"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if got := n.escalations(); !slices.Equal(got, []string{fmt.Sprintf("2 %d #1", latest), "3 1 #1"}) {
			t.Errorf("%q", got)
		}
		gone := 0
		for _, c := range n.Metrics().Escalation {
			if c.Outcome == wirepost.EscalationGone {
				gone += int(c.Steps)
			}
		}
		if gone != 3 {
			t.Errorf("%d steps of messages that are gone", gone)
		}
	})
}

// TestEscalationOfScheduled: the times begin when a scheduled message is pushed, and a repeat
// changes nothing.
func TestEscalationOfScheduled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, writing("message.unacknowledged"))
		for range 2 {
			n.push(wirepost.Push{To: "user:42", Data: []byte(`1`), ID: "x", Delay: time.Hour, TTL: 3 * time.Hour, Escalate: byEvent(time.Minute)})
		}
		time.Sleep(time.Hour + 59*time.Second)
		if got := n.escalations(); got != nil {
			t.Errorf("early: %q", got)
		}
		n.push(wirepost.Push{To: "user:42", Data: []byte(`1`), ID: "x", Escalate: byEvent(30 * time.Minute)})
		time.Sleep(2 * time.Second)
		if got := n.escalations(); !slices.Equal(got, []string{"42 1 #1"}) {
			t.Errorf("%q", got)
		}
		time.Sleep(time.Hour)
		if got := n.escalations(); len(got) != 1 {
			t.Errorf("repeated: %q", got)
		}
	})
}

// TestEscalationByPolicy: the steps of a policy apply to pushes that have none, also to those
// of clients, and an empty list turns them off.
func TestEscalationByPolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, writing("message.unacknowledged"), func(o *wirepost.Options) {
			o.Channels = []wirepost.Policy{{Pattern: "user:*", Escalate: byEvent(time.Minute), Until: wirepost.UntilRead}}
		})
		n.json("user:1", "1")
		n.json("room", "1")
		n.push(wirepost.Push{To: "user:2", Data: []byte(`1`), Escalate: []wirepost.EscalationStep{}})
		n.escalated("user:3", time.Hour)
		c, _ := n.dialV1("4")
		c.send(`{"type":"publish","ref":1,"to":"user:4","data":1}`)
		time.Sleep(59 * time.Second)
		n.wantEvents()
		time.Sleep(2 * time.Second)
		got := n.escalations()
		if slices.Sort(got); !slices.Equal(got, []string{"1 1 #1", "4 1 #1"}) {
			t.Errorf("%q", got)
		}
		info, err := n.Channel(t.Context(), "user:9")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(info.Policy)
		if want := `"escalate":[{"after":"1m0s","via":"event"}],"until":"read"`; !strings.Contains(string(text), want) {
			t.Errorf("policy %s, want %s", text, want)
		}
		var policy wirepost.Policy
		if err := json.Unmarshal(text, &policy); err != nil || len(policy.Escalate) != 1 || policy.Escalate[0].After != time.Minute || policy.Until != "read" {
			t.Errorf("%+v, %v", policy, err)
		}
	})
}

// TestEscalationRefused: what cannot be is refused, and the error says why.
func TestEscalationRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		o.Channels = []wirepost.Policy{{Pattern: "user:mem*", NonDurable: true}, {Pattern: "user:short", MaxAge: time.Hour}}
	})
	many := make([]wirepost.EscalationStep, 9)
	for i := range many {
		many[i] = wirepost.EscalationStep{After: time.Duration(i+1) * time.Minute, Via: wirepost.ViaEvent}
	}
	one := byEvent(time.Minute)
	for _, test := range []struct {
		push        wirepost.Push
		field, text string
	}{
		{wirepost.Push{To: "room", Escalate: one}, "escalate", "only messages to inboxes"},
		{wirepost.Push{To: "all", Escalate: one}, "escalate", "only messages to inboxes"},
		{wirepost.Push{To: "user:mem", Escalate: one}, "escalate", "memory-only"},
		{wirepost.Push{Escalate: many}, "escalate", "9 steps, more than 8"},
		{wirepost.Push{Escalate: byEvent(0)}, "escalate", "entry 0: after 0s is less than 1s"},
		{wirepost.Push{Escalate: byEvent(time.Minute, 400*24*time.Hour)}, "escalate", "entry 1: after 9600h0m0s is more than 366 days"},
		{wirepost.Push{Escalate: byEvent(time.Minute, time.Minute)}, "escalate", "entry 1: after 1m0s is not later than 1m0s"},
		{wirepost.Push{Escalate: []wirepost.EscalationStep{{After: time.Minute, Via: "mail"}}}, "escalate", `"mail" is not one of webpush, event`},
		{wirepost.Push{Escalate: []wirepost.EscalationStep{{After: time.Minute, Via: wirepost.ViaWebPush}}}, "escalate", "Web Push is off"},
		{wirepost.Push{Escalate: byEvent(31 * 24 * time.Hour)}, "escalate", "max_age is 720h"},
		{wirepost.Push{To: "user:short", Escalate: byEvent(time.Hour)}, "escalate", "max_age is 1h"},
		{wirepost.Push{Escalate: one, TTL: time.Minute}, "escalate", "time to live"},
		{wirepost.Push{Escalate: one, TTL: time.Hour, Delay: 59 * time.Minute}, "escalate", "time to live"},
		{wirepost.Push{Escalate: one, Until: "seen"}, "until", "not one of acknowledged, read"},
		{wirepost.Push{Until: wirepost.UntilRead}, "until", "no steps"},
		{wirepost.Push{Notification: json.RawMessage(`{}`)}, "notification", "no step via webpush"},
		{wirepost.Push{Escalate: one, Notification: json.RawMessage(`{}`)}, "notification", "no step via webpush"},
	} {
		test.push.Data = []byte("1")
		if test.push.To == "" {
			test.push.To = "user:42"
		}
		_, err := n.Push(t.Context(), test.push)
		if e := wirepost.AsError(err); e == nil || e.Code != wirepost.CodeBadRequest || e.Field != test.field || !strings.Contains(e.Message, test.text) {
			t.Errorf("%+v: %v", test.push, err)
		}
	}
	for _, test := range []struct {
		policy wirepost.Policy
		text   string
	}{
		{wirepost.Policy{Pattern: "*", Escalate: one}, "has to begin with user:"},
		{wirepost.Policy{Pattern: "user*", Escalate: one}, "has to begin with user:"},
		{wirepost.Policy{Pattern: "user:*", NonDurable: true, Escalate: one}, "memory-only"},
		{wirepost.Policy{Pattern: "user:*", MaxAge: time.Minute, Escalate: one}, "max_age"},
		{wirepost.Policy{Pattern: "user:*", Escalate: byEvent(721 * time.Hour)}, "max_age"},
		{wirepost.Policy{Pattern: "user:*", Until: wirepost.UntilRead}, "no steps"},
		{wirepost.Policy{Pattern: "user:*", Escalate: byEvent(1)}, "less than 1s"},
	} {
		_, err := wirepost.New(wirepost.Options{Authenticate: byQuery, Channels: []wirepost.Policy{test.policy}})
		if wantOption(t, err, "Channels"); err != nil && !strings.Contains(err.Error(), test.text) {
			t.Errorf("%+v: %v", test.policy, err)
		}
	}
}

// TestEscalationWithoutReader: an event that nothing selects is not written.
func TestEscalationWithoutReader(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*wirepost.Options){
		"no events":    func(*wirepost.Options) {},
		"other events": writing("user.*"),
		"another inbox": func(o *wirepost.Options) {
			o.Events.Endpoints = []wirepost.EventEndpoint{{Channels: []string{"user:7"}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := newPipeNode(t, change)
				seq := n.escalated("user:42", time.Second, time.Minute).Seq
				time.Sleep(time.Hour)
				if got := n.steps("42", seq); got != "no_endpoint, no_endpoint" {
					t.Errorf("steps: %s", got)
				}
				if got := n.escalations(); got != nil {
					t.Errorf("%q", got)
				}
			})
		})
	}
}

// TestEscalationRestart: what became due while the server was down happens then, except for what
// was acknowledged before.
func TestEscalationRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		n := newPipeNode(t, writing("message.unacknowledged"), onVFS(t, disk))
		first := n.escalated("user:1", 2*time.Second).Seq
		second := n.escalated("user:2", 2*time.Second).Seq
		c, _ := n.dialV1("1&device=phone")
		c.message("1")
		c.send(`{"type":"ack","channel":"user:1","seq":%d}`, first)
		synctest.Wait()
		if got := n.cursor("1", "user:1", "phone"); got != first {
			t.Errorf("acknowledged up to %d, want %d", got, first)
		}
		n.stop()
		time.Sleep(3 * time.Second)
		n = newPipeNode(t, writing("message.unacknowledged"), onVFS(t, disk))
		time.Sleep(time.Second)
		if got := n.steps("1", first); got != "not_needed by phone" {
			t.Errorf("what was acknowledged: %s", got)
		}
		if got := n.steps("2", second); got != "sent" {
			t.Errorf("what was not: %s", got)
		}
		if got := n.escalations(); !slices.Equal(got, []string{fmt.Sprintf("2 %d #1", second)}) {
			t.Errorf("%q", got)
		}
	})
}

// TestEscalationInCluster: each step happens once, at its time, whichever nodes are there, and
// an acknowledgement on any node stops it.
func TestEscalationInCluster(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		const users = 30
		time.Sleep(time.Second)
		start := time.Now()
		for i := range users {
			to := fmt.Sprintf("user:%d", i)
			seq := ns.all[i%3].escalated(to, time.Minute, 2*time.Minute).Seq
			if i%3 == 0 {
				continue
			}
			c, _ := ns.all[(i+1)%3].dialV1(fmt.Sprint(i))
			c.message("1")
			if i%3 == 1 {
				time.AfterFunc(time.Minute-time.Second-time.Since(start), func() { c.send(`{"type":"ack","channel":%q,"seq":%d}`, to, seq) })
			}
		}
		time.Sleep(time.Until(start.Add(time.Minute - time.Millisecond)))
		if got := ns.all[0].escalations(); got != nil {
			t.Errorf("early: %q", got)
		}
		time.Sleep(time.Second + 500*time.Millisecond)
		synctest.Wait()
		if got := ns.all[1].escalations(); len(got) != users*2/3 {
			t.Errorf("%d events of %d", len(got), users*2/3)
		}
		ns.all[2].stop()
		time.Sleep(2 * time.Minute)
		for _, n := range ns.all[:2] {
			got := n.escalations()
			slices.Sort(got)
			if all := slices.Compact(slices.Clone(got)); len(got) != 2*users*2/3 || len(all) != len(got) {
				t.Errorf("%d events, %d different", len(got), len(all))
			}
			for i := range users {
				want := "sent, sent"
				if i%3 == 1 {
					want = "not_needed, not_needed"
				}
				if got := n.steps(fmt.Sprint(i), 1); got != want {
					t.Errorf("user %d: %s, want %s", i, got, want)
				}
			}
		}
	}, writing("message.unacknowledged"), func(o *wirepost.Options) { o.Heartbeat = 24 * time.Hour })
}
