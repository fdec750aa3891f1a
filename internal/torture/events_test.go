package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
)

// The events of a run: the program and the receiver of its webhooks are killed while users
// connect and disconnect.
const (
	eventKills      = 50   // with make torture
	eventRate       = 1000 // connects a second, likewise
	eventSecret     = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	eventGrace      = time.Second
	eventSettled    = 2 * time.Second // what happened so long before a kill is on disk
	eventKillsShort = 3
	eventRateShort  = 100
)

// happened is an event as the receiver gets it.
type happened struct {
	Seq  uint64 `json:"seq"`
	ID   string `json:"id"`
	Type string `json:"type"`
	Time int64  `json:"time"`
	User string `json:"user"`
	Data struct {
		Connection string `json:"connection"`
	} `json:"data"`
}

// eventReceiver is a backend that stores events, and dies: before it stores them, or after
// that but before it responds, or with its socket.
type eventReceiver struct {
	t          *testing.T
	address    string
	restarting sync.Mutex // guards what follows
	server     *http.Server

	mu       sync.Mutex
	dying    bool
	stored   []happened
	last     uint64
	repeats  int
	requests int
}

func newEventReceiver(t *testing.T) *eventReceiver {
	r := &eventReceiver{t: t}
	r.listen(freeAddress(t, "127.0.0.1"))
	t.Cleanup(func() { r.server.Close() })
	return r
}

func (r *eventReceiver) listen(at string) {
	var l net.Listener
	var err error
	for give := time.Now().Add(patience); time.Now().Before(give); time.Sleep(10 * time.Millisecond) { // the port is free again soon
		if l, err = net.Listen("tcp", at); err == nil {
			break
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.address = l.Addr().String()
	r.server = &http.Server{Handler: r}
	go r.server.Serve(l) //nolint:errcheck // it ends with Close
}

// restart kills the receiver, and starts it again with what it has stored.
func (r *eventReceiver) restart() {
	r.restarting.Lock()
	defer r.restarting.Unlock()
	r.mu.Lock()
	r.dying = true
	r.mu.Unlock()
	time.Sleep(time.Duration(rand.N(50)) * time.Millisecond)
	r.server.Close()
	r.listen(r.address)
	r.mu.Lock()
	r.dying = false
	r.mu.Unlock()
}

func (r *eventReceiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	var body struct{ Events []happened }
	if err := json.NewDecoder(q.Body).Decode(&body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	if r.dying && rand.N(2) == 0 {
		panic(http.ErrAbortHandler)
	}
	before := uint64(0)
	for _, e := range body.Events {
		if e.Seq <= before {
			r.t.Errorf("event %d follows %d in one request", e.Seq, before)
		}
		before = e.Seq
		if e.Seq <= r.last {
			r.repeats++
			continue
		}
		r.last = e.Seq
		r.stored = append(r.stored, e)
	}
	if r.dying {
		panic(http.ErrAbortHandler)
	}
}

// visit is what a client knows of one of its sessions.
type visit struct {
	user, connection string
	began, ended     time.Time
	clean            bool // it closed by itself
}

// visits are those that were made, the attempts without a session, and those that were
// not begun, because so many were under way.
type visits struct {
	mu              sync.Mutex
	made            []visit
	failed, omitted int
}

// maxVisits is how many visits may be under way: more only wait for a server that is down,
// or slow.
const maxVisits = 2000

// run connects and disconnects users until ctx is done, at a rate. By the clock: what was
// late is made up for.
func (v *visits) run(ctx context.Context, t *testing.T, target func() string, rate int) {
	var running sync.WaitGroup
	defer running.Wait()
	users := rate / 2
	var open atomic.Int64
	began := time.Now()
	for n := 0; ctx.Err() == nil; n++ {
		wait(ctx, time.Until(began.Add(time.Duration(n)*time.Second/time.Duration(rate))))
		if open.Load() >= maxVisits {
			v.mu.Lock()
			v.omitted++
			v.mu.Unlock()
			continue
		}
		open.Add(1)
		user := fmt.Sprint("u", rand.N(users))
		running.Go(func() {
			defer open.Add(-1)
			one, ok := oneVisit(t, target(), user)
			v.mu.Lock()
			defer v.mu.Unlock()
			if ok {
				v.made = append(v.made, one)
			} else {
				v.failed++
			}
		})
	}
}

func oneVisit(t *testing.T, address, user string) (v visit, ok bool) {
	token, err := auth.Sign(tokenSecret, wirepost.Identity{User: user, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Error(err)
		return v, false
	}
	dialer := websocket.Dialer{HandshakeTimeout: patience, Subprotocols: []string{"wirepost.v1"}}
	u := url.URL{Scheme: "ws", Host: address, Path: "/ws", RawQuery: url.Values{"token": {token}}.Encode()}
	c, _, err := dialer.Dial(u.String(), nil) //nolint:bodyclose // it is not needed
	if err != nil {
		return v, false
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(patience)) //nolint:errcheck // the next call says so
	var hello struct{ Connection string }
	if c.ReadJSON(&hello) != nil {
		return v, false
	}
	v = visit{user: user, connection: hello.Connection, began: time.Now()}
	time.Sleep(time.Duration(rand.N(300)) * time.Millisecond)
	v.clean = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience)) == nil
	for err == nil {
		_, _, err = c.ReadMessage()
	}
	v.clean = v.clean && websocket.IsCloseError(err, websocket.CloseNormalClosure)
	v.ended = time.Now()
	return v, true
}

// TestEvents: every event of the log arrives, in order; each user is online and offline
// by turns, and offline at the end; and the log has every session that began and ended
// some time before the program was killed.
func TestEvents(t *testing.T) {
	kills, rate := eventKillsShort, eventRateShort
	if os.Getenv("TORTURE") != "" {
		kills, rate = eventKills, eventRate
	}
	receiver := newEventReceiver(t)
	p := newProcess(t)
	p.more = []string{
		"--events-url", "http://" + receiver.address + "/events", "--events-secret", eventSecret,
		"--events-types", "user.*", "--events-types", "session.*", "--events-grace", eventGrace.String(),
	}
	var address atomic.Pointer[string]
	start := func() { at := p.start(); address.Store(&at) }
	start()
	ctx, stop := context.WithCancel(context.Background())
	var crowd visits
	var running sync.WaitGroup
	began, down := time.Now(), time.Duration(0)
	running.Go(func() { crowd.run(ctx, t, func() string { return *address.Load() }, rate) })
	var killed []time.Time
	for i := range kills {
		time.Sleep(time.Duration(200+rand.N(1500)) * time.Millisecond)
		// Both are killed each time: the receiver before the server, after it, or while it starts.
		if i%3 == 0 {
			receiver.restart()
		}
		killed = append(killed, time.Now())
		p.kill()
		if i%3 == 1 {
			running.Go(receiver.restart)
		}
		start()
		down += time.Since(killed[i])
		if i%3 == 2 {
			receiver.restart()
		}
	}
	time.Sleep(3 * time.Second)
	stop()
	running.Wait()
	up := time.Since(began) - down
	log := waitForEvents(t, receiver, *address.Load())
	receiver.mu.Lock()
	defer receiver.mu.Unlock()
	checkEvents(t, log, receiver.stored)
	checkVisits(t, log, crowd.made, killed)
	sessions := len(crowd.made)
	t.Logf("%d kills, %d sessions, %.0f/s while the server was up (%d attempts failed, %d were not made), %d events in the log, all delivered in %d requests, %d again",
		kills, sessions, float64(sessions)/up.Seconds(), crowd.failed, crowd.omitted, len(log), receiver.requests, receiver.repeats)
	if used := p.used.Seconds(); used > 0 {
		t.Logf("the server used %.0f %% of a core while it was up, %.0f µs for each session", 100*used/up.Seconds(), 1e6*used/float64(sessions))
	}
}

// waitForEvents reads the log until everyone is offline and the receiver has everything.
func waitForEvents(t *testing.T, r *eventReceiver, address string) (log []happened) {
	t.Helper()
	after := uint64(0)
	for deadline := time.Now().Add(2 * patience); ; time.Sleep(100 * time.Millisecond) {
		for more := true; more; {
			request, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://%s/v1/events?limit=1000&after=%d", address, after), nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+apiKey)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			var page struct {
				Events []happened
				Next   uint64
			}
			err = json.NewDecoder(response.Body).Decode(&page)
			response.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			log = append(log, page.Events...)
			more, after = page.Next > after, page.Next
		}
		online := map[string]bool{}
		for _, e := range log {
			switch e.Type {
			case "user.online":
				online[e.User] = true
			case "user.offline":
				delete(online, e.User)
			}
		}
		r.mu.Lock()
		have := r.last
		r.mu.Unlock()
		if len(online) == 0 && have == after {
			http.DefaultClient.CloseIdleConnections()
			return log
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d users are online at the end; the receiver has %d of %d", len(online), have, after)
		}
	}
}

// checkEvents compares the log with what the receiver has, and checks that users are
// online and offline by turns.
func checkEvents(t *testing.T, log, received []happened) {
	t.Helper()
	if !slices.Equal(log, received) {
		t.Errorf("the log has %d events, the receiver has %d, and they differ", len(log), len(received))
	}
	online := map[string]bool{}
	ids := map[string]bool{}
	for _, e := range log {
		if ids[e.ID] {
			t.Errorf("two events have the ID %s", e.ID)
		}
		ids[e.ID] = true
		on := e.Type == "user.online"
		if !on && e.Type != "user.offline" {
			continue
		}
		if online[e.User] == on {
			t.Errorf("%s: %s twice, at %d", e.User, e.Type, e.Seq)
		}
		online[e.User] = on
	}
}

// around lists the last events of a user, up to one of them and the next.
func around(log []happened, at int) string {
	var all []string
	for i, e := range log {
		if e.User == log[at].User {
			all = append(all, fmt.Sprintf("%d %s %s %s", e.Seq, time.UnixMilli(e.Time).Format("04:05.000"), e.Type, e.Data.Connection))
			if i > at {
				break
			}
		}
	}
	return strings.Join(all[max(0, len(all)-8):], ", ")
}

// checkVisits checks that sessions which ended some time before a kill are in the log, with
// their end after their beginning, and while the user was online.
func checkVisits(t *testing.T, log []happened, made []visit, killed []time.Time) {
	t.Helper()
	type span struct{ began, ended int }
	spans := map[string]*span{}
	online := map[string]bool{}
	for i, e := range log {
		switch e.Type {
		case "user.online", "user.offline":
			online[e.User] = e.Type == "user.online"
			continue
		case "session.connected":
			spans[e.Data.Connection] = &span{began: i, ended: -1}
		case "session.disconnected":
			if s := spans[e.Data.Connection]; s == nil || s.ended >= 0 {
				t.Errorf("%s: the end of a session that is not open, at %d", e.User, e.Seq)
			} else {
				s.ended = i
			}
		}
		if !online[e.User] {
			t.Errorf("%s: %s while the user is offline, at %d: %s; kills: %v", e.User, e.Type, e.Seq, around(log, i), killed)
		}
	}
	checked := 0
	for _, v := range made {
		near := slices.ContainsFunc(killed, func(k time.Time) bool { return k.After(v.began) && k.Before(v.ended.Add(eventSettled)) })
		if near || !v.clean {
			continue
		}
		checked++
		if s := spans[v.connection]; s == nil || s.ended < 0 {
			t.Errorf("%s: the session %s at %s is not in the log", v.user, v.connection, v.began)
		}
	}
	if checked == 0 {
		t.Error("no session was checked")
	}
}
