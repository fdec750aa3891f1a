package wirepost_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// events is a client of /sse, which parses the stream by the standard's rules.
type events struct {
	t    testing.TB
	body io.ReadCloser
	in   *bufio.Scanner
	id   string // of the last event
}

// TestFallbackBodies: a GET may have an empty body in chunks, as some intermediaries
// send it; a request with a body is refused before the body arrives, and the connection
// is closed.
func TestFallbackBodies(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, path := range []string{"/poll?user=42&wait=0", "/sse?user=42"} {
		for _, c := range []struct {
			head, body string
			status     int
		}{
			{"Transfer-Encoding: chunked", "0\r\n\r\n", 200},
			{"Content-Length: 0", "", 200},
			{"Transfer-Encoding: chunked", "1\r\nx", 400},
			{"Content-Length: 5", "", 400},
		} {
			nc, err := net.Dial("tcp", n.host)
			if err != nil {
				t.Fatal(err)
			}
			nc.SetDeadline(time.Now().Add(patience))
			fmt.Fprintf(nc, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n%s", path, n.host, c.head, c.body)
			response, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil || response.StatusCode != c.status || response.Close != (c.status == 400) {
				t.Errorf("%s, %s, %q: %v %v", path, c.head, c.body, response, err)
			}
			nc.Close()
		}
	}
}

func (n *node) get(path, query string, header ...string) *http.Response {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, n.base()+path+"?"+query, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := n.http.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// base is the server's URL.
func (n *node) base() string {
	if strings.Contains(n.host, "://") {
		return n.host
	}
	return "http://" + n.host
}

func (n *node) events(query string, header ...string) *events {
	n.t.Helper()
	resp := n.get("/sse", "user="+query, header...)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		body, _ := io.ReadAll(resp.Body)
		n.t.Fatalf("sse %s: %s %s", query, resp.Status, body)
	}
	return &events{t: n.t, body: resp.Body, in: bufio.NewScanner(resp.Body)}
}

// next returns the data of the next event; false at the end of the stream.
func (e *events) next() (data string, ok bool) {
	e.t.Helper()
	var lines []string
	for e.in.Scan() {
		line := e.in.Text()
		switch {
		case line == "" && lines != nil:
			return strings.Join(lines, "\n"), true
		case line == "" || strings.HasPrefix(line, ":"), strings.HasPrefix(line, "retry: "):
		case strings.HasPrefix(line, "data: "):
			lines = append(lines, line[len("data: "):])
		case strings.HasPrefix(line, "id: "):
			e.id = line[len("id: "):]
		default:
			e.t.Fatalf("the stream has the line %q", line)
		}
	}
	return "", false
}

func (e *events) frame(kind string) frame {
	e.t.Helper()
	data, ok := e.next()
	if !ok {
		e.t.Fatalf("the stream ended, want a %s", kind)
	}
	return parseObject(e.t, []byte(data), kind)
}

func (e *events) message(data string) frame {
	e.t.Helper()
	f := e.frame("message")
	if got, _ := json.Marshal(f["data"]); string(got) != data {
		e.t.Fatalf("got the data %s, want %s", got, data)
	}
	return f
}

func parseObject(t testing.TB, object []byte, kind string) frame {
	t.Helper()
	var f frame
	if err := json.Unmarshal(object, &f); err != nil || f["type"] != kind {
		t.Fatalf("got %s (%v), want an object of type %s", object, err, kind)
	}
	return f
}

// polled is a response of /poll.
type polled struct {
	Cursor   string
	Messages []json.RawMessage
	Hello    frame
}

func (n *node) poll(query string) polled {
	n.t.Helper()
	resp := n.get("/poll", "user="+query)
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" {
		n.t.Fatalf("poll %s: %s %s %v", query, resp.Status, body, err)
	}
	var p polled
	if err := json.Unmarshal(body, &p); err != nil || p.Messages == nil {
		n.t.Fatalf("poll %s: %s %v", query, body, err)
	}
	return p
}

// pollSoon polls concurrently. The response has no messages at all if the server
// refused the poll because it was shutting down: a session is counted before it is
// registered.
func (n *node) pollSoon(query string) <-chan polled {
	response := make(chan polled, 1)
	go func() {
		var p polled
		defer func() { response <- p }()
		resp, err := n.http.Get(n.base() + "/poll?user=" + query)
		if err != nil {
			n.t.Errorf("poll %s: %v", query, err)
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			return
		}
		if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || resp.StatusCode != http.StatusOK {
			n.t.Errorf("poll %s: %s, %v", query, resp.Status, err)
		}
	}()
	return response
}

func (p polled) data(t testing.TB) (all []string) {
	t.Helper()
	for _, m := range p.Messages {
		d, _ := json.Marshal(parseObject(t, m, "message")["data"])
		all = append(all, string(d))
	}
	return all
}

func TestEventsDeliverTheInboxAndResume(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.json("user:42", `"while away"`)
	e := n.events("42&channels=news")
	e.message(`"while away"`)
	first := e.id
	n.json("news", `{"a":1}`)
	e.message(`{"a":1}`)
	n.json("user:42", `"two"`)
	e.message(`"two"`)
	second := e.id
	if n.online("42") != 1 || n.sessions("42")[0].Mode != "sse" {
		t.Errorf("sessions: %+v", n.sessions("42"))
	}
	if got := n.cursor("42", "user:42", ""); got != 0 {
		t.Errorf("a stream acknowledged %d by itself", got)
	}
	e.body.Close()
	n.gone("42")
	n.json("user:42", `"three"`)
	n.json("news", `{"a":2}`)

	// From the first event on: later messages are repeated, in every channel.
	again := n.events("42&channels=news", "Last-Event-ID", first)
	got := map[string]bool{}
	for range 4 {
		f := again.frame("message")
		d, _ := json.Marshal(f["data"])
		got[string(d)] = true
	}
	if !got[`"two"`] || !got[`"three"`] || !got[`{"a":1}`] || !got[`{"a":2}`] {
		t.Errorf("resumed with %v", got)
	}
	again.body.Close()
	n.gone("42")

	// By the query, from the last event; it acknowledges.
	for _, name := range []string{"last_event_id", "lastEventId", "lastEventID"} {
		third := n.events("42&" + name + "=" + second)
		third.message(`"three"`)
		if got, want := n.cursor("42", "user:42", ""), uint64(2); got != want {
			t.Errorf("acknowledged %d, want %d", got, want)
		}
		third.body.Close()
		n.gone("42")
	}
	n.events("42").message(`"three"`) // which was not acknowledged
}

func TestEventsHaveGapRevokeStateAndBye(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.json("user:42", `1`)
	e := n.events("42&hello=1")
	if h := e.frame("hello").channel("user:42"); h.num("unread") != 1 {
		t.Errorf("hello says %v", h)
	}
	e.message(`1`)
	p := n.json("user:42", `2`)
	e.message(`2`)
	if _, err := n.Revoke(t.Context(), "user:42", p.Seq); err != nil {
		t.Fatal(err)
	}
	if r := e.frame("revoke"); r.num("revoked") != p.Seq {
		t.Errorf("revoke: %v", r)
	}
	if _, _, err := n.MarkRead(t.Context(), "42", "user:42", 1); err != nil {
		t.Fatal(err)
	}
	if s := e.frame("state"); s.num("read") != 1 || s.num("unread") != 0 || s.num("seq") == 0 {
		t.Errorf("state: %v", s)
	}
	if _, err := n.Disconnect(t.Context(), "42", ""); err != nil {
		t.Fatal(err)
	}
	if b := e.frame("bye"); b.num("code") != 4409 {
		t.Errorf("bye: %v", b)
	}
	if data, more := e.next(); more {
		t.Errorf("after bye came %s", data)
	}
	n.gone("42")
	n.json("user:42", `3`)
	if err := n.Empty(t.Context(), "user:42"); err != nil {
		t.Fatal(err)
	}
	n.json("user:42", `4`)
	late := n.events("42")
	late.frame("gap")
	late.message(`4`)
}

func TestAStreamIsLongerThanAWindow(t *testing.T) {
	t.Parallel()
	const count = 2000
	n := newNode(t, func(o *wirepost.Options) { o.Window = 4 })
	for i := range count / 2 {
		n.json("user:42", fmt.Sprint(i))
	}
	e := n.events("42")
	go func() {
		for i := count / 2; i < count; i++ {
			n.json("user:42", fmt.Sprint(i))
		}
	}()
	for i := range count {
		e.message(fmt.Sprint(i))
	}
}

func TestAnEventsReaderThatIsStuckHoldsLittle(t *testing.T) {
	t.Parallel()
	const size, count = 50 << 10, 400
	n := newNode(t)
	stuck := n.events("42")
	stuck.in.Buffer(nil, 1<<20)
	data := strings.Repeat("x", size)
	for range count {
		n.text("user:42", data)
	}
	for range count {
		if got := stuck.frame("message"); len(got.str("data")) != size {
			t.Fatalf("a message of %d bytes", len(got.str("data")))
		}
	}
}

func TestEventsAndPollsEndWithTheServer(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	e := n.events("42")
	response := n.pollSoon("43&wait=60s")
	eventually(t, "the poll waits", func() bool { return n.online("43") == 1 })
	if err := n.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b := e.frame("bye"); b.num("code") != 1012 || b.num("retry_after_ms") == 0 {
		t.Errorf("bye: %v", b)
	}
	if p := <-response; p.Messages != nil {
		if len(p.Messages) != 1 {
			t.Errorf("the poll returned %s", p.Messages)
		}
		parseObject(t, p.Messages[0], "bye")
	}
	if resp := n.get("/sse", "user=42"); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("after the end: %s", resp.Status)
	}
}

func TestHeartbeatOfAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) { o.Heartbeat = 10 * time.Second })
		e := n.events("42")
		begun := time.Now()
		for e.in.Scan() && e.in.Text() != ": heartbeat" {
		}
		if waited := time.Since(begun); waited < 8*time.Second || waited > 11*time.Second {
			t.Errorf("the first heartbeat came after %v", waited)
		}
		time.Sleep(5 * time.Minute)
		// The client did not read for minutes: a pipe has no buffer.
		synctest.Wait()
		if n.online("42") != 0 {
			t.Error("a client that does not read is still online")
		}
	})
}

func TestTokenEndsAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t, func(o *wirepost.Options) {
			o.Authenticate = func(r *http.Request) (wirepost.Identity, error) {
				id, err := byQuery(r)
				id.Expires = time.Now().Add(time.Hour)
				return id, err
			}
			o.Heartbeat = 24 * time.Hour
		})
		e, begun := n.events("42"), time.Now()
		if b := e.frame("bye"); b.num("code") != 4401 {
			t.Errorf("bye: %v", b)
		}
		if time.Since(begun).Round(time.Minute) != time.Hour {
			t.Errorf("the token lasted %v", time.Since(begun))
		}
	})
}

func TestPollDeliversAndAcknowledges(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.json("user:42", `1`)
	n.json("user:42", `2`)
	p := n.poll("42&hello=1&channels=news")
	if got := strings.Join(p.data(t), " "); got != "1 2" || p.Hello.channel("user:42").num("unread") != 2 {
		t.Fatalf("the first poll returned %s, hello %v", got, p.Hello)
	}
	if again := n.poll("42"); len(again.Messages) != 2 {
		t.Errorf("without a cursor the second poll returned %s", again.Messages)
	}
	n.json("news", `3`)
	next := n.poll("42&channels=news&after=" + p.Cursor)
	if got := strings.Join(next.data(t), " "); got != "3" {
		t.Errorf("with the cursor the poll returned %s", got)
	}
	if got := n.cursor("42", "user:42", ""); got != 2 {
		t.Errorf("acknowledged %d, want 2", got)
	}
	if empty := n.poll("42&wait=0&after=" + next.Cursor); len(empty.Messages) != 0 || empty.Cursor == "" {
		t.Errorf("no messages were available, but the poll returned %s", empty.Messages)
	}
	eventually(t, "no session stays", func() bool { return n.online("42") == 0 && n.Stats().Connections == 0 })
}

func TestPollWithoutWaitStillReadsTheBacklog(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for i := range 1000 { // more than a tail holds
		n.json("user:42", fmt.Sprint(i))
	}
	var got []string
	cursor := ""
	for {
		p := n.poll("42&wait=0&after=" + cursor)
		if len(p.Messages) == 0 {
			break
		}
		got, cursor = append(got, p.data(t)...), p.Cursor
	}
	for i, d := range got {
		if d != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, d)
		}
	}
	if len(got) != 1000 {
		t.Errorf("received %d messages", len(got))
	}
}

// One poll returns the backlogs of all channels, although they are read one by one.
func TestPollReadsAllChannels(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	p := n.poll("42&wait=0&channels=a,b,c,d")
	for _, channel := range []string{"a", "b", "c", "d", "user:42", wirepost.All} {
		n.json(channel, fmt.Sprintf("%q", channel))
	}
	for _, wait := range []string{"0", "25s"} {
		next := n.poll("42&channels=a,b,c,d&wait=" + wait + "&after=" + p.Cursor)
		got := next.data(t)
		slices.Sort(got)
		if want := `"a" "all" "b" "c" "d" "user:42"`; strings.Join(got, " ") != want {
			t.Errorf("with wait=%s: %v", wait, got)
		}
		if rest := n.poll("42&channels=a,b,c,d&wait=0&after=" + next.Cursor); len(rest.Messages) != 0 {
			t.Errorf("after all messages came %s", rest.Messages)
		}
	}
}

func TestPollWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNode(t)
		for _, test := range []struct {
			wait string
			want time.Duration
		}{{"", 25 * time.Second}, {"3s", 3 * time.Second}, {"7", 7 * time.Second}, {"0.5", 500 * time.Millisecond}, {"2h", time.Minute}} {
			begun := time.Now()
			if p := n.poll("42&wait=" + test.wait); len(p.Messages) != 0 || time.Since(begun) != test.want {
				t.Errorf("wait=%s: %d messages after %v", test.wait, len(p.Messages), time.Since(begun))
			}
		}
		begun := time.Now()
		time.AfterFunc(4*time.Second, func() { n.json("user:42", `1`) })
		if p := n.poll("42"); len(p.Messages) != 1 || time.Since(begun) != 4*time.Second {
			t.Errorf("%d messages after %v", len(p.Messages), time.Since(begun))
		}
	})
}

// A cursor of another store does not apply to the sequences of this one.
func TestACursorOfAnotherStoreIsIgnored(t *testing.T) {
	t.Parallel()
	old, fresh := newNode(t), newNode(t)
	for range 5 {
		old.json("user:42", `"old"`)
	}
	p := old.poll("42")
	fresh.json("user:42", `"new"`)
	if got := fresh.poll("42&after=" + p.Cursor).data(t); len(got) != 1 || got[0] != `"new"` {
		t.Errorf("brought %v", got)
	}
}

func TestFallbackRefusals(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.AllowOrigins = []string{"https://*.example.com"} })
	for _, test := range []struct {
		path, query string
		header      []string
		status      int
		says        string
	}{
		{"/sse", "", nil, 401, "no user"},
		{"/poll", "", nil, 401, "no user"},
		{"/sse", "user=42&channels=user:43", nil, 403, "inbox"},
		{"/sse", "user=42", []string{"Last-Event-ID", "!"}, 400, "Last-Event-ID"},
		{"/sse", "user=42&last_event_id=!", nil, 400, "last_event_id"},
		{"/sse", "user=42&lastEventId=!", nil, 400, "lastEventId"},
		{"/sse", "user=42&after=x", nil, 400, "after"},
		{"/poll", "user=42&after=12", nil, 400, "after"},
		{"/poll", "user=42&wait=soon", nil, 400, "wait"},
		{"/poll", "user=42&wait=-1s", nil, 400, "wait"},
		{"/poll", "user=42&wait=x", []string{"Origin", "https://evil.test"}, 403, "Origin"},
		{"/poll", "user=42", []string{"Origin", "https://evil.test"}, 403, "Origin"},
		{"/sse", "user=42", []string{"Origin", "https://evil.test"}, 403, "Origin"},
	} {
		resp := n.get(test.path, test.query, test.header...)
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != test.status || !strings.Contains(string(body), test.says) {
			t.Errorf("%s?%s %v: %s %s", test.path, test.query, test.header, resp.Status, body)
		}
	}
	resp := n.get("/poll", "user=42&wait=0", "Origin", "https://a.example.com")
	if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "https://a.example.com" || resp.Header.Get("Vary") != "Origin" {
		t.Errorf("CORS: %v", resp.Header)
	}
	for method, status := range map[string]int{"OPTIONS": 204, "POST": 405} {
		r, _ := http.NewRequest(method, "http://"+n.host+"/sse?"+url.Values{"user": {"42"}}.Encode(), nil)
		resp, err := n.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status || resp.Header.Get("Allow") != "GET, OPTIONS" {
			t.Errorf("%s: %s %v", method, resp.Status, resp.Header)
		}
		if allowed := resp.Header.Get("Access-Control-Allow-Headers"); method == "OPTIONS" &&
			allowed != "Authorization, Last-Event-ID, Cache-Control, X-Requested-With, X-Socket-Id" {
			t.Errorf("a preflight allows %s", allowed)
		}
	}
}

// TestEventsBegin: a stream sends a first line at once, and forbids proxies to
// transform it.
func TestEventsBegin(t *testing.T) {
	t.Parallel()
	resp := newNode(t).get("/sse", "user=42")
	if got := resp.Header.Get("Cache-Control"); got != "no-store, no-transform" {
		t.Errorf("Cache-Control: %s", got)
	}
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, ":") {
		t.Errorf("the first line is %q, %v", line, err)
	}
}

// newHTTP2 starts a server with HTTP/2 requests.
func newHTTP2(t *testing.T, change func(*http.Server), o ...func(*wirepost.Options)) *node {
	t.Helper()
	n := makeNode(t, o)
	hs := httptest.NewUnstartedServer(n.routes())
	hs.EnableHTTP2 = true
	hs.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if change != nil {
		change(hs.Config)
	}
	hs.StartTLS()
	t.Cleanup(hs.Close)
	t.Cleanup(n.stop)
	n.host, n.http = "https://"+strings.TrimPrefix(hs.URL, "https://"), hs.Client()
	return n
}

func TestFallbacksByHTTP2(t *testing.T) {
	t.Parallel()
	n := newHTTP2(t, func(s *http.Server) { s.WriteTimeout = 2 * time.Second })
	e := n.events("42")
	waits := n.pollSoon("43&wait=20s")
	eventually(t, "the poll waits", func() bool { return n.online("43") == 1 })
	time.AfterFunc(2500*time.Millisecond, func() { // beyond the server's own timeout
		n.json("user:42", `1`)
		n.json("user:43", `2`)
	})
	e.message(`1`)
	if got := (<-waits).data(t); len(got) != 1 || got[0] != `2` {
		t.Errorf("the poll returned %v", got)
	}
}

// TestShutdownWithOpenHTTP2Requests: streams are closed, and polls get a response.
func TestShutdownWithOpenHTTP2Requests(t *testing.T) {
	t.Parallel()
	const polls = 100
	n := newHTTP2(t, nil)
	for i := range 20 {
		n.events(fmt.Sprint("stream", i))
	}
	var responses []<-chan polled
	for i := range polls {
		responses = append(responses, n.pollSoon(fmt.Sprint("poll", i, "&wait=60s")))
	}
	eventually(t, "all wait", func() bool { return n.Stats().Connections == polls+20 })
	if err := n.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	byes := 0
	for _, response := range responses {
		if p := <-response; p.Messages != nil {
			parseObject(t, p.Messages[0], "bye")
			byes++
		}
	}
	if byes < polls/2 {
		t.Errorf("only %d of %d polls got a bye", byes, polls)
	}
}

func TestARequestWithABodyIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, path := range []string{"/sse", "/poll"} {
		c, err := net.Dial("tcp", n.host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET %s?user=42 HTTP/1.1\r\nHost: %s\r\nContent-Length: 5\r\n\r\nhello", path, n.host)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 400 {
			t.Errorf("%s: %v %v", path, resp, err)
		}
	}
}

// TestAGapOutlivesTheCursor: a cursor is issued while a gap waits for the message that
// follows it.
func TestAGapOutlivesTheCursor(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	empty := func(user string) {
		for range 3 {
			n.json("user:"+user, `1`)
		}
		if err := n.Empty(t.Context(), "user:"+user); err != nil {
			t.Fatal(err)
		}
	}
	empty("42")
	p := n.poll("42&wait=0")
	n.json("user:42", `4`)
	p = n.poll("42&after=" + p.Cursor)
	parseObject(t, p.Messages[0], "gap")

	empty("43")
	e := n.events("43&channels=news")
	n.json("news", `"other"`)
	e.message(`"other"`)
	e.body.Close()
	n.gone("43")
	n.json("user:43", `4`)
	n.events("43", "Last-Event-ID", e.id).frame("gap")
}

func TestRawJSONWithLineBreaksIsOneEvent(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.push(wirepost.Push{To: "user:42", Data: []byte("{\n  \"a\":\r\n 1\n}"), ContentType: "application/json", Raw: true})
	n.events("42").message(`{"a":1}`)
	if got := n.poll("42").data(t); len(got) != 1 || got[0] != `{"a":1}` {
		t.Errorf("the poll returned %q", got)
	}
}

func TestDataNestedTooDeep(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	nested := func(depth int) []byte {
		return []byte(strings.Repeat("[", depth) + `"[[\"{"` + strings.Repeat("]", depth))
	}
	for _, raw := range []bool{true, false} {
		_, err := n.Push(t.Context(), wirepost.Push{To: "user:42", Data: nested(1001), Raw: raw})
		if e := wirepost.AsError(err); e.Code != wirepost.CodeBadRequest || e.Field != "data" {
			t.Errorf("too deep: %v", err)
		}
		n.push(wirepost.Push{To: "user:42", Data: nested(1000), Raw: raw})
	}
	wide := []byte("[" + strings.Repeat("[],", 5000) + "[]]")
	n.push(wirepost.Push{To: "user:42", Data: wide})
	if got := n.poll("42"); len(got.Messages) != 3 {
		t.Errorf("the poll returned %d", len(got.Messages))
	}
}

func TestAPollDoesNotFindThePreviousOne(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) { o.MaxUserConnections = 1 })
	for range 200 {
		n.poll("42&wait=0")
	}
}
