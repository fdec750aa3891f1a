//go:build unix

package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// The escalations of a run: users get one message each, now or later, which some of them
// acknowledge, while servers are killed.
const (
	escalatedUsers      = 10_000 // with make torture
	escalatedRate       = 250    // pushes a second, likewise
	escalatedUsersShort = 200
	escalatedRateShort  = 100

	leastAfter, mostAfter = 3 * time.Second, 8 * time.Second // of the first step
	secondAfter           = 2 * time.Second                  // of the second one, later
	mostDelay             = 4 * time.Second                  // of a push for later
	// escalationSettled is after which time an acknowledgement of a device is stored if no
	// server was killed.
	escalationSettled = 2 * time.Second
	calmUsers         = 12 // when nothing is killed
)

// escalated is what the test knows of a push, and of what a user did with its message.
type escalated struct {
	user         string
	after, delay time.Duration
	steps        int
	reaction     reaction
	reactAfter   time.Duration // the push, or what was scheduled
	seq          uint64
	tried        time.Time // the first attempt to push
	stored       time.Time // its result
	pushed       time.Time // when the message was stored, on the server's clock
	touched      time.Time // the first attempt to acknowledge; zero: there was none
	acknowledged time.Time // when the acknowledgement was on disk; zero: that is not known
	bySocket     bool
}

// reaction is what a user does with a message.
type reaction int

const (
	ignores reaction = iota
	receives
	reads // by a request of the backend
	reactions
)

// deadline returns the first and the last moment at which a step may be due. A message that
// is scheduled is pushed later if no server is there, and its steps are later then.
func (e *escalated) deadline(step int) (first, last time.Time) {
	d := e.after + time.Duration(step-1)*secondAfter
	return e.tried.Add(e.delay + d), maxTime(e.stored.Add(e.delay), e.pushed).Add(d)
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// escalationRun has the servers of a run.
type escalationRun struct {
	t       *testing.T
	address func() string // of any server; requests to one that is down fail
	kill    func(dead time.Duration)
	http    *http.Client

	mu   sync.Mutex
	down []span // when not all servers were there
	all  []*escalated
}

type span struct{ from, to time.Time }

// request makes a request until it succeeds. Each is idempotent.
func (r *escalationRun) request(method, path string, body, result any) {
	text, err := json.Marshal(body)
	if err != nil {
		r.t.Error(err)
		return
	}
	for give := time.Now().Add(2 * patience); ; time.Sleep(50 * time.Millisecond) {
		err := r.attempt(method, path, text, result)
		if err == nil {
			return
		}
		if time.Now().After(give) {
			r.t.Errorf("%s %s: %v", method, path, err)
			return
		}
	}
}

func (r *escalationRun) attempt(method, path string, body []byte, result any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+r.address()+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+apiKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := r.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return errors.New(string(text))
	}
	return json.Unmarshal(text, result)
}

// push pushes a message, and lets its user do something with it.
func (r *escalationRun) push(e *escalated, token func(user string) string) {
	body := map[string]any{"to": "user:" + e.user, "data": 1, "id": "only", "escalate": []any{
		map[string]any{"after": e.after.String(), "via": "event"},
		map[string]any{"after": (e.after + secondAfter).String(), "via": "event"},
	}[:e.steps]}
	if e.delay > 0 {
		body["delay"] = e.delay.String()
	}
	var result struct{ Messages []struct{ Seq uint64 } }
	e.tried = time.Now()
	r.request("POST", "/v1/push", body, &result)
	e.stored = time.Now()
	if len(result.Messages) > 0 {
		e.seq = result.Messages[0].Seq
	}
	time.Sleep(e.reactAfter)
	switch e.reaction {
	case receives:
		e.bySocket = true
		r.receive(e, token(e.user))
	case reads:
		if e.seq > 0 { // the sequence of a later one is not known
			e.touched = time.Now()
			var read struct{ Read uint64 }
			r.request("POST", "/v1/users/"+e.user+"/read", map[string]any{"seq": e.seq}, &read)
			if read.Read >= e.seq {
				e.acknowledged = time.Now()
			}
		}
	}
}

// receive receives and acknowledges the message, unless the connection breaks.
func (r *escalationRun) receive(e *escalated, token string) {
	dialer := websocket.Dialer{HandshakeTimeout: patience, Subprotocols: []string{"wirepost.v1"}}
	u := url.URL{Scheme: "ws", Host: r.address(), Path: "/ws", RawQuery: url.Values{"token": {token}}.Encode()}
	c, _, err := dialer.Dial(u.String(), nil) //nolint:bodyclose // it is not needed
	if err != nil {
		return
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(e.delay + max(e.after, mostAfter))) //nolint:errcheck // the next call says so
	for {
		var frame struct {
			Type string
			Seq  uint64
		}
		if c.ReadJSON(&frame) != nil {
			return
		}
		if frame.Type != "message" {
			continue
		}
		e.touched = time.Now()
		if c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"ack","channel":"user:%s","seq":%d}`, e.user, frame.Seq)) != nil {
			return
		}
		break
	}
	acknowledged := time.Now()
	c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience)) //nolint:errcheck // the next call says so
	for err == nil {
		_, _, err = c.ReadMessage()
	}
	if websocket.IsCloseError(err, websocket.CloseNormalClosure) { // the server has read the frame before
		e.acknowledged = acknowledged.Add(escalationSettled)
	}
}

// during returns whether a server was down at some time between two.
func (r *escalationRun) during(from, to time.Time) bool {
	return slices.ContainsFunc(r.down, func(s span) bool { return s.from.Before(to) && s.to.After(from) })
}

// kills kills servers until ctx is done.
func (r *escalationRun) kills(ctx context.Context, pause time.Duration) (n int) {
	for ctx.Err() == nil {
		wait(ctx, pause/2+rand.N(pause))
		from := time.Now()
		r.kill(rand.N(500 * time.Millisecond))
		r.mu.Lock()
		r.down = append(r.down, span{from, time.Now()})
		r.mu.Unlock()
		n++
	}
	return n
}

// run pushes while servers are killed, and checks the events. If the kills left nothing to
// check, which is so on a slow machine, it pushes again without them.
func (r *escalationRun) run(token func(user string) string, pause time.Duration) {
	users, rate := escalatedUsersShort, escalatedRateShort
	if os.Getenv("TORTURE") != "" {
		users, rate = escalatedUsers, escalatedRate
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var killing, pushing sync.WaitGroup
	killed := 0
	killing.Go(func() { killed = r.kills(ctx, pause) })
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for i := range users {
		<-tick.C
		e := &escalated{
			user: fmt.Sprint("e", i), steps: 1 + i%2,
			after:    (leastAfter + rand.N(mostAfter-leastAfter)).Truncate(time.Millisecond),
			reaction: rand.N(reactions),
		}
		if i%4 == 3 {
			e.delay = (time.Second + rand.N(mostDelay)).Truncate(time.Millisecond)
		}
		if e.reaction != ignores {
			e.reactAfter = rand.N(e.delay + mostAfter)
		}
		r.all = append(r.all, e)
		pushing.Go(func() { r.push(e, token) })
	}
	pushing.Wait()
	stop()
	killing.Wait()
	whole := r.check(killed)
	for after := mostAfter; !whole && !r.t.Failed(); after *= 2 {
		if after > patience {
			r.t.Error("there was nothing to check")
			return
		}
		r.calm(after, token)
		whole = r.check(killed)
	}
}

// calm pushes without kills. The users who react do so at once.
func (r *escalationRun) calm(after time.Duration, token func(user string) string) {
	var pushing sync.WaitGroup
	for range calmUsers {
		i := len(r.all)
		e := &escalated{user: fmt.Sprint("e", i), steps: 1, after: after, reaction: reaction(i) % reactions}
		r.all = append(r.all, e)
		pushing.Go(func() { r.push(e, token) })
	}
	pushing.Wait()
}

// step identifies the step of a user's message.
type step struct {
	user string
	step int
}

// check waits for the events of all messages that nobody touched, and checks them all. It
// returns whether there were some of each kind.
func (r *escalationRun) check(killed int) bool {
	var last time.Time
	for _, e := range r.all {
		_, due := e.deadline(e.steps)
		if due.After(last) {
			last = due
		}
	}
	time.Sleep(time.Until(last))
	events := map[step][]time.Time{}
	var missing []string
	for deadline, after := time.Now().Add(patience), uint64(0); ; time.Sleep(200 * time.Millisecond) {
		after = r.read(events, after)
		missing = missing[:0]
		for _, e := range r.all {
			for s := 1; s <= e.steps; s++ {
				if e.touched.IsZero() && len(events[step{e.user, s}]) == 0 {
					missing = append(missing, fmt.Sprintf("%s #%d", e.user, s))
				}
			}
		}
		if len(missing) == 0 || time.Now().After(deadline) {
			break
		}
	}
	if len(missing) > 0 {
		r.t.Errorf("%d events are missing: %s", len(missing), strings.Join(missing[:min(len(missing), 20)], ", "))
	}
	time.Sleep(2 * time.Second) // for events that must not be there
	r.read(events, 0)
	r.checkPushed()
	return r.checkSteps(events, killed)
}

// read reads the events after a sequence.
func (r *escalationRun) read(events map[step][]time.Time, after uint64) uint64 {
	if after == 0 {
		clear(events)
	}
	for {
		var page struct {
			Events []struct {
				User string
				Type string
				Time int64
				Data struct{ Step int }
			}
			Next uint64
		}
		r.request("GET", fmt.Sprintf("/v1/events?limit=1000&after=%d", after), nil, &page)
		for _, e := range page.Events {
			s := step{e.User, e.Data.Step}
			events[s] = append(events[s], time.UnixMilli(e.Time))
		}
		if page.Next == after || len(page.Events) == 0 {
			return after
		}
		after = page.Next
	}
}

// checkPushed checks that each user has one message, and when those were pushed that were
// scheduled.
func (r *escalationRun) checkPushed() {
	later, late, down := 0, 0, 0
	var worst time.Duration
	for _, e := range r.all {
		var page struct {
			Messages []struct {
				Seq  uint64
				Time int64
			}
		}
		r.request("GET", "/v1/users/"+e.user+"/messages", nil, &page)
		if len(page.Messages) != 1 || page.Messages[0].Seq != 1 {
			r.t.Errorf("%s has the messages %v, after a delay of %s", e.user, page.Messages, e.delay)
			continue
		}
		e.pushed = time.UnixMilli(page.Messages[0].Time)
		if e.delay == 0 {
			continue
		}
		later++
		first, last := e.tried.Add(e.delay), e.stored.Add(e.delay)
		lateness := e.pushed.Sub(last)
		switch {
		case e.pushed.Before(first.Add(-5 * time.Millisecond)):
			r.t.Errorf("%s was pushed at %s, scheduled for %s", e.user, e.pushed, first)
		case r.during(first.Add(-time.Second), last.Add(time.Second)):
			down++
		default:
			worst = max(worst, lateness)
			if lateness > time.Second {
				late++
			}
		}
	}
	r.t.Logf("%d messages, %d of them scheduled, each pushed once; of those, %d while a server was down, of the others %d more than 1 s late, at most %s",
		len(r.all), later, down, late, worst)
}

// checkSteps checks the events of all steps: none early, none twice, none of a message that
// was acknowledged before, and in time while all servers were there. It returns whether
// there were steps of each of these kinds.
func (r *escalationRun) checkSteps(events map[step][]time.Time, killed int) bool {
	inTime, bySocket, untouched, checked, late := 0, 0, 0, 0, 0
	var worst, worstDown time.Duration
	for _, e := range r.all {
		for s := 1; s <= e.steps; s++ {
			times := events[step{e.user, s}]
			first, last := e.deadline(s)
			stopped := !e.acknowledged.IsZero() && e.acknowledged.Before(first) &&
				!(e.bySocket && r.during(e.touched.Add(-time.Second), e.acknowledged))
			if len(times) > 1 {
				r.t.Errorf("%s #%d: %d events", e.user, s, len(times))
			}
			if stopped {
				inTime++
				if e.bySocket {
					bySocket++
				}
				if len(times) > 0 {
					r.t.Errorf("%s #%d: acknowledged at %s, due at %s, and escalated at %s", e.user, s, e.acknowledged, first, times[0])
				}
				continue
			}
			if e.touched.IsZero() {
				untouched++
			}
			if len(times) == 0 {
				continue // check has reported those that nobody touched
			}
			if times[0].Before(first.Add(-5 * time.Millisecond)) {
				r.t.Errorf("%s #%d: due at %s, and escalated at %s", e.user, s, first, times[0])
			}
			lateness := times[0].Sub(last)
			if r.during(first.Add(-time.Second), last.Add(time.Second)) {
				worstDown = max(worstDown, lateness)
				continue
			}
			worst = max(worst, lateness)
			checked++
			if lateness > time.Second {
				late++
			}
		}
	}
	r.t.Logf("%d kills; %d steps of messages acknowledged in time (%d by a device), none escalated; %d steps of messages that nobody touched, each escalated once; "+
		"%d escalated while all servers were there, %d of them more than 1 s late, at most %s; during kills at most %s",
		killed, inTime, bySocket, untouched, checked, late, worst, worstDown)
	if os.Getenv("TORTURE") != "" && late*1000 > checked {
		r.t.Errorf("%d of %d are more than 1 s late", late, checked)
	}
	return inTime > 0 && bySocket > 0 && checked > 0 && untouched > 0
}

// escalationFlags make a server write the events of steps.
var escalationFlags = []string{"--events-types", "message.unacknowledged"}

func newEscalationRun(t *testing.T) *escalationRun {
	r := &escalationRun{t: t, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	t.Cleanup(r.http.CloseIdleConnections)
	return r
}

// TestEscalation kills one server.
func TestEscalation(t *testing.T) {
	r, run := newEscalationRun(t), newRun(t, seedOf(t))
	p := newProcess(t)
	p.more = escalationFlags
	run.proxy.turn(p.start())
	r.address = run.proxy.address
	r.kill = func(dead time.Duration) {
		p.kill()
		run.proxy.turn("")
		time.Sleep(dead)
		run.proxy.turn(p.start())
	}
	r.run(run.token, 3*time.Second)
}

// TestEscalationNodes kills one of three nodes at a time.
func TestEscalationNodes(t *testing.T) {
	needClusters(t)
	r, run := newEscalationRun(t), newRun(t, seedOf(t))
	ns := withEmbedded(run)
	for _, n := range ns.all {
		n.more = append(n.more, escalationFlags...)
	}
	ns.startAll()
	r.address = func() string { return ns.all[rand.N(len(ns.all))].front.proxy.address() }
	r.kill = func(dead time.Duration) {
		n := ns.all[rand.N(len(ns.all))]
		n.stop(true)
		time.Sleep(dead)
		ns.launch(n)
		ns.awaitReady()
		// The nodes count on one that died for 3 s, and may elect leaders of the log.
		time.Sleep(3 * time.Second)
	}
	r.run(run.token, 6*time.Second)
}
