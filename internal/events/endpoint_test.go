package events

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/signing"
)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func endpointAt(t *testing.T, address string) *Endpoint {
	t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := signing.ParseSecret(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	e := NewEndpoint(to, []signing.Secret{secret}, "epoch")
	t.Cleanup(e.Close)
	return e
}

// TestRequest: a request has events in the form of the API, and a signature that holds. The
// same events have the same ID when they are sent again.
func TestRequest(t *testing.T) {
	t.Parallel()
	var headers []http.Header
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		headers = append(headers, r.Header)
		const want = `{"events":[{"seq":12,"id":"a","type":"user.online","time":7,"user":"42","data":{}}],"next":12}`
		if string(body) != want {
			t.Errorf("%s", body)
		}
		secret, _ := signing.ParseSecret(testSecret)
		again, second := http.Header{}, time.Unix(number(r.Header.Get("webhook-timestamp")), 0)
		signing.Sign(again, []signing.Secret{secret}, r.Header.Get("webhook-id"), second, body)
		if again.Get("webhook-signature") != r.Header.Get("webhook-signature") || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v", r.Header)
		}
	}))
	defer hs.Close()
	e := endpointAt(t, hs.URL+"/events?key=1")
	for range 2 {
		n, err := e.Deliver(t.Context(), []Event{{Seq: 12, ID: "a", Type: UserOnline, Time: 7, User: "42"}})
		if n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if headers[0].Get("webhook-id") != headers[1].Get("webhook-id") {
		t.Error("the ID changed")
	}
	if e.Label() != hs.URL+"/…" {
		t.Error(e.Label())
	}
}

func number(text string) (n int64) {
	_, _ = fmt.Sscan(text, &n)
	return n
}

// TestBadEndpoints: what is no success is an error that says so, without the URL.
func TestBadEndpoints(t *testing.T) {
	t.Parallel()
	followed := false
	mux := http.NewServeMux()
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/target", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/target", func(http.ResponseWriter, *http.Request) { followed = true })
	mux.HandleFunc("/large", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		for range 10 << 10 {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/half", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	hs := httptest.NewUnstartedServer(mux)
	hs.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	hs.Start()
	defer hs.Close()
	for path, want := range map[string]string{
		"/redirect": "redirects are not followed", "/large": "500", "/half": "EOF", "/none": "404",
	} {
		n, err := endpointAt(t, hs.URL+path+"?key=secret").Deliver(t.Context(), []Event{{Seq: 1}})
		if n != 0 || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %d, %v", path, n, err)
		}
	}
	if followed {
		t.Error("a redirect was followed")
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client leaves
		<-r.Context().Done()
	}))
	defer silent.Close()
	late := endpointAt(t, silent.URL)
	late.client.Timeout = 50 * time.Millisecond
	if n, err := late.Deliver(t.Context(), []Event{{Seq: 1}}); n != 0 || err == nil || err.Error() != "no response within 50ms" {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := endpointAt(t, "http://127.0.0.1:1").Deliver(t.Context(), []Event{{Seq: 1}}); err == nil {
		t.Error("no error without a receiver")
	}
}

// TestDrippingResponse: the status is enough, the body may take as long as it likes.
func TestDrippingResponse(t *testing.T) {
	t.Parallel()
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client leaves
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer hs.Close()
	const limit = time.Minute // for all of the response
	e := endpointAt(t, hs.URL)
	e.client.Timeout = limit
	began := time.Now()
	if n, err := e.Deliver(t.Context(), []Event{{Seq: 1}}); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if took := time.Since(began); took >= limit {
		t.Errorf("it took %s", took)
	}
}

// TestEndpointHTTP2: an endpoint over TLS gets requests by HTTP/2, and may end its connection
// with GOAWAY after each of them.
func TestEndpointHTTP2(t *testing.T) {
	t.Parallel()
	var proto []string
	hs := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proto = append(proto, r.Proto)
		if len(proto)%2 == 0 {
			w.Header().Set("Connection", "close") // net/http sends GOAWAY
		}
	}))
	hs.EnableHTTP2 = true
	hs.StartTLS()
	defer hs.Close()
	e := endpointAt(t, hs.URL)
	e.client.Transport.(*http.Transport).TLSClientConfig = hs.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	for range 6 {
		if n, err := e.Deliver(t.Context(), []Event{{Seq: 1}}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	for _, p := range proto {
		if p != "HTTP/2.0" {
			t.Errorf("%v", proto)
		}
	}
}

// receiver is an endpoint that can fail.
type receiver struct {
	mu     sync.Mutex
	fail   bool
	events []Event
	wake   chan struct{}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var p page
	if err := json.NewDecoder(q.Body).Decode(&p); err != nil || r.fail {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	r.events = append(r.events, p.Events...)
	poke(r.wake)
}

// await waits until the receiver has an event with an ID.
func (r *receiver) await(t *testing.T, id string) {
	t.Helper()
	for {
		r.mu.Lock()
		n := len(r.events)
		ok := n > 0 && r.events[n-1].ID == id
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.wake:
		case <-time.After(time.Minute):
			t.Fatalf("%s does not arrive", id)
		}
	}
}

// bench has a log, and readers of it.
type bench struct {
	t      *testing.T
	engine *memory.Engine
	feeds  *feed.Feeds
	config Config
	n      int
}

func newBench(t *testing.T) *bench {
	e := memory.New(memory.Options{})
	feeds := feed.New(feed.Config{Durable: e, Memory: e, MemoryOnly: func(string) bool { return false }, TailMemory: 1 << 20})
	b := &bench{t: t, engine: e, feeds: feeds}
	b.config = Config{
		Log: e, Users: e, Feeds: feeds, Retention: time.Hour, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Filters: []Filter{{}},
	}
	t.Cleanup(func() { feeds.Close(); e.Close() })
	return b
}

// start starts readers, and returns what stops them.
func (b *bench) start(targets ...Target) (*Readers, func()) {
	r := New(b.config)
	readers := NewReaders(r, nil, targets)
	<-r.started
	return readers, func() { r.Close(context.Background()); readers.Close() }
}

// write writes events with the IDs 1, 2 and so on, and returns the last one.
func (b *bench) write(count int) (last string) {
	b.t.Helper()
	var entries []engine.Entry
	for range count {
		b.n++
		last = fmt.Sprint(b.n)
		r := Recorder{config: b.config}
		entries = append(entries, r.entry(stored{Type: UserOnline, Time: time.Now().UnixMilli(), User: last}, last))
	}
	if _, err := b.engine.Append(context.Background(), entries); err != nil {
		b.t.Fatal(err)
	}
	return last
}

func targetOf(e *Endpoint) Target {
	return Target{Name: e.Name(), Label: e.Label(), Deliver: e.Deliver}
}

// inOrder checks that the events of a receiver are all of those with the IDs 1 to n, in
// order and once.
func (r *receiver) inOrder(t *testing.T, n int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) != n {
		t.Fatalf("%d events, not %d", len(r.events), n)
	}
	for i, e := range r.events {
		if e.ID != fmt.Sprint(i+1) {
			t.Fatalf("event %d has the ID %s", i, e.ID)
		}
	}
}

// TestDelivery: a receiver that fails gets everything later, in order, and does not delay
// another one. The position outlives the readers.
func TestDelivery(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	good, bad := &receiver{wake: make(chan struct{}, 1)}, &receiver{wake: make(chan struct{}, 1), fail: true}
	goodServer, badServer := httptest.NewServer(good), httptest.NewServer(bad)
	defer goodServer.Close()
	defer badServer.Close()
	targets := []Target{targetOf(endpointAt(t, goodServer.URL)), targetOf(endpointAt(t, badServer.URL))}
	readers, stop := b.start(targets...)
	last := b.write(250)
	good.await(t, last)
	readers.await(t, 0, 250)
	for deadline := time.Now().Add(time.Minute); readers.Stats()[1].Retried == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", readers.Stats()[1])
		}
	}
	if s := readers.Stats()[1]; !strings.Contains(s.Error, "503") || s.Delivered != 0 {
		t.Errorf("%+v", s)
	}
	bad.mu.Lock()
	bad.fail = false
	bad.mu.Unlock()
	bad.await(t, last)
	readers.await(t, 1, 250)
	stop()
	readers, stop = b.start(targets...)
	last = b.write(10)
	good.await(t, last)
	bad.await(t, last)
	readers.await(t, 0, 10)
	readers.await(t, 1, 10)
	stop()
	good.inOrder(t, 260)
	bad.inOrder(t, 260)
}

// await waits until a reader knows that so many events were delivered: one that is stopped
// before delivers them again.
func (rs *Readers) await(t *testing.T, reader int, delivered uint64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		s := rs.Stats()[reader]
		if s.Delivered == delivered && s.Error == "" {
			return
		}
		if s.Delivered > delivered || time.Now().After(deadline) {
			t.Fatalf("%+v", s)
		}
	}
}

// TestGapOfRetention: a receiver that was away for too long is notified of what is missing.
func TestGapOfRetention(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := &receiver{wake: make(chan struct{}, 1)}
	hs := httptest.NewServer(r)
	defer hs.Close()
	target := targetOf(endpointAt(t, hs.URL))
	readers, stop := b.start(target)
	r.await(t, b.write(3))
	readers.await(t, 0, 3)
	stop()
	b.write(5)
	if err := b.engine.Trim(t.Context(), Channel, 6); err != nil {
		t.Fatal(err)
	}
	readers, stop = b.start(target)
	r.await(t, b.write(1))
	readers.await(t, 0, 4)
	stop()
	gap := r.events[3]
	if gap.Type != Gap || gap.Data.After != 3 || gap.Data.ResumedAt != 7 || r.events[4].ID != "7" || readers.Stats()[0].Gaps != 1 {
		t.Errorf("%+v, %+v", r.events, readers.Stats()[0])
	}
	list, next, err := Read(t.Context(), b.engine, 3, 2, time.Now())
	if err != nil || len(list) != 2 || list[0].Type != Gap || list[1].ID != "7" || next != 7 {
		t.Errorf("%+v, %d, %v", list, next, err)
	}

	// Nothing is left. What comes after a known sequence is missing, once.
	if err := b.engine.Trim(t.Context(), Channel, 9); err != nil {
		t.Fatal(err)
	}
	list, next, err = Read(t.Context(), b.engine, 3, 2, time.Now())
	if err != nil || len(list) != 1 || list[0].Type != Gap || list[0].Data.After != 3 || list[0].Data.ResumedAt != 10 || next != 9 {
		t.Errorf("%+v, %d, %v", list, next, err)
	}
	for _, after := range []uint64{0, next} {
		if list, next, err := Read(t.Context(), b.engine, after, 2, time.Now()); err != nil || len(list) != 0 || next != after {
			t.Errorf("after %d: %+v, %d, %v", after, list, next, err)
		}
	}
}

// TestFilter: a target gets what it has selected, and every gap.
func TestFilter(t *testing.T) {
	t.Parallel()
	f := Filter{Types: []string{"user.*", "channel.*"}, Channels: []string{"room:*"}}
	for _, c := range []struct {
		t       Type
		channel string
		want    bool
	}{
		{UserOnline, "", true},
		{SessionConnected, "", false},
		{ChannelOccupied, "room:7", true},
		{ChannelVacated, "news", false},
		{MessageRead, "room:7", false},
		{Gap, "", true},
	} {
		if f.matches(c.t, c.channel) != c.want {
			t.Errorf("%s %s", c.t, c.channel)
		}
	}
	if err := CheckType("user.onlin"); err == nil || !strings.Contains(err.Error(), "user.online") {
		t.Error(err)
	}
	if CheckType("*") != nil || CheckType("message.unacknowledged") != nil {
		t.Error("refused")
	}
}
