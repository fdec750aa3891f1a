package httpapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/testlog"
)

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *wirepost.Options) { o.MaxMessage = 1 << 10 })
	const asJSON, asLines = "Content-Type: application/json", "Content-Type: application/x-ndjson"
	big := strings.Repeat("x", 1<<10+1)
	huge := strings.Repeat("x", maxJSON(1<<10)+1)
	for _, tt := range []struct {
		method, path, body, header string
		status                     int
		field                      string
	}{
		{"GET", "/", "", "", 404, ""},
		{"GET", "/v1", "", "", 404, ""},
		{"GET", "/v1/", "", "", 404, ""},
		{"GET", "/v2/push", "", "", 404, ""},
		{"POST", "/v1/push/", "x", "", 404, ""},
		{"POST", "/v1/push/a/", "x", "", 404, ""},
		{"POST", "/v1/push//a", "x", "", 404, ""},
		{"POST", "/v1//push", "x", "", 404, ""},
		{"GET", "/v1/stats/", "", "", 404, ""},
		{"GET", "/v1/users/42/session", "", "", 404, ""},
		{"GET", "/v1/users?online=yes", "", "", 400, "online"},
		{"GET", "/v1/users?limit=1001", "", "", 400, "limit"},
		{"GET", "/v1/channels?limit=0", "", "", 400, "limit"},
		{"GET", "/v1/channels?online=true", "", "", 400, "online"},
		{"GET", "/v1/channels/news/presence", "", "", 400, "channel"},
		{"GET", "/v1/channels/a,b/presence", "", "", 400, "channel"},
		{"GET", "/v1/channels/news/messages?before=2&after=1", "", "", 400, "before"},
		{"GET", "/v1/users/42/messages?before=-1", "", "", 400, "before"},
		{"GET", "/v1/channels/room/7", "", "", 404, ""},
		{"DELETE", "/v1/channels/room:7/message/3", "", "", 404, ""},
		{"GET", "/healthz/x", "", "", 404, ""},
		{"PUT", "/v1/push", "", "", 405, ""},
		{"GET", "/v1/push/user:42", "", "", 405, ""},
		{"POST", "/v1/users/42", "", "", 405, ""},
		{"GET", "/v1/users/42/channels/room:7", "", "", 405, ""},
		{"PATCH", "/v1/channels/room:7", "", "", 405, ""},
		{"OPTIONS", "/v1/stats", "", "", 405, ""},
		{"POST", "/healthz", "", "", 405, ""},
		{"DELETE", "/metrics", "", "", 405, ""},

		{"POST", "/v1/push", `{"to":"a","data":1}`, "Content-Type: text/plain", 415, "Content-Type"},
		{"POST", "/v1/push", `{"to":"a","data":1}`, "Content-Type: application/x-www-form-urlencoded", 415, "Content-Type"},
		{"POST", "/v1/push", `{"to":"a","data":1}`, "Content-Encoding: gzip", 415, "Content-Encoding"},
		{"POST", "/v1/push/a", `hello`, "Content-Encoding: gzip", 415, "Content-Encoding"},
		{"POST", "/v1/users/42/read", `{"seq":1}`, "Content-Type: text/xml", 415, "Content-Type"},
		{"POST", "/v1/users/42/read", `{"seq":1}`, "Content-Encoding: br", 415, "Content-Encoding"},

		{"POST", "/v1/push", `{"to":"a","data":"` + big + `"}`, asJSON, 413, "data"},
		{"POST", "/v1/push", `{"to":"a","content_type":"text/plain","data":"` + big + `"}`, asJSON, 413, "data"},
		{"POST", "/v1/push", `{"to":"a","data":"` + huge + `"}`, asJSON, 413, ""},
		{"POST", "/v1/push/a", big, "", 413, ""},
		{"POST", "/v1/push/a", huge, "", 413, ""},
		{"POST", "/v1/users/42/read", `{"seq":` + strings.Repeat("0", maxSmall) + `}`, asJSON, 413, ""},

		{"POST", "/v1/push", ``, asJSON, 400, ""},
		{"POST", "/v1/push", `{"to":"a","data":1}]`, asJSON, 400, ""},
		{"POST", "/v1/push", `{"to":"a","data":1,"tll":"1h"}`, asJSON, 400, "tll"},
		{"POST", "/v1/push", `{"to":"a","data":1,"content_type":"nonsense"}`, asJSON, 400, "content_type"},
		{"POST", "/v1/push", `{"to":"a","data_base64":"ew==","content_type":"application/json"}`, asJSON, 400, "data_base64"},
		{"POST", "/v1/push", `{"to":"a","data_base64":"/w==","content_type":"text/plain"}`, asJSON, 400, "data_base64"},
		{"POST", "/v1/push", `{"to":"a","data":1,"id":"` + strings.Repeat("i", 129) + `"}`, asJSON, 400, "id"},
		{"POST", "/v1/push", `{"to":"a","data":1,"key":"` + strings.Repeat("i", 129) + `"}`, asJSON, 400, "key"},
		{"POST", "/v1/push?id=1", `{"to":"a","data":1}`, asJSON, 400, "id"},
		{"POST", "/v1/push?x=1", `{"to":"a","data":1}`, asLines, 400, "x"},
		{"POST", "/v1/push/a", `{"a":`, asJSON, 400, "data"},
		{"POST", "/v1/push/a", "\xff", "Content-Type: text/plain", 400, "data"},
		{"POST", "/v1/push/a", "x", "Content-Type: nonsense", 400, "Content-Type"},
		{"POST", "/v1/push/a", "x", "Content-Type: text/ plain", 400, "Content-Type"},
		{"POST", "/v1/push/a?ttl=soon", "x", "", 400, "ttl"},
		{"POST", "/v1/push/a?ttl=", "x", "", 400, "ttl"},
		{"POST", "/v1/push/a?ttl=0", "x", "", 400, "ttl"},
		{"POST", "/v1/push/a?ttl=-5", "x", "", 400, "ttl"},
		{"POST", "/v1/push/a?ttl=NaN", "x", "", 400, "ttl"},
		{"POST", "/v1/push/a?ttl=1e300", "x", "", 400, "ttl"},
		{"POST", "/v1/push/a?tll=1", "x", "", 400, "tll"},
		{"POST", "/v1/push/a?id=" + strings.Repeat("i", 129), "x", "", 400, "id"},
		{"POST", "/v1/users/42/read", `{}`, asJSON, 400, "seq"},
		{"POST", "/v1/users/42/read", `{"seq":-1}`, asJSON, 400, "seq"},
		{"POST", "/v1/users/42/read", `{"seq":1.5}`, asJSON, 400, "seq"},
		{"POST", "/v1/users/42/read", `{"seq":"1"}`, asJSON, 400, "seq"},
		{"POST", "/v1/users/42/read", `{"seq":null}`, asJSON, 400, "seq"},
		{"POST", "/v1/users/42/read", `{"seq":1,"sequence":1}`, asJSON, 400, "sequence"},
		{"POST", "/v1/users/42/read", `{"seq":1,"channel":"a b"}`, asJSON, 400, "channel"},
		{"GET", "/v1/users/a%20b", "", "", 400, "user"},
		{"DELETE", "/v1/users/a%20b/sessions", "", "", 400, "user"},
		{"GET", "/v1/users/a%20b/messages", "", "", 400, "user"},
		{"POST", "/v1/users/a%20b/read", `{"seq":1}`, asJSON, 400, "user"},
		{"PUT", "/v1/users/a%20b/channels/c", "", "", 400, "user"},
		{"PUT", "/v1/users/a/channels/b%20c", "", "", 400, "channel"},
		{"DELETE", "/v1/users/a/channels/b%20c", "", "", 400, "channel"},
		{"GET", "/v1/channels/a%20b", "", "", 400, "channel"},
		{"DELETE", "/v1/channels/a%20b", "", "", 400, "channel"},
		{"GET", "/v1/channels/a%20b/messages", "", "", 400, "channel"},
		{"GET", "/v1/channels/a%20b/messages/1", "", "", 400, "channel"},
		{"GET", "/v1/stats?pretty=1", "", "", 400, "pretty"},
		{"GET", "/v1/stats?top=0", "", "", 400, "top"},
		{"GET", "/v1/stats?top=101", "", "", 400, "top"},
		{"GET", "/v1/stats?top=all", "", "", 400, "top"},
	} {
		var headers []string
		if tt.header != "" {
			headers = append(headers, tt.header)
		}
		a := s.do(tt.method, tt.path, tt.body, headers...)
		a.problem(tt.status, tt.field)
		if allow := a.header.Get("Allow"); (tt.status == 405) != (allow != "") || strings.Contains(allow, tt.method) {
			t.Errorf("%s %s: Allow: %q", tt.method, tt.path, allow)
		}
	}
	// The same with a body of unknown length.
	r := s.request("POST", "/v1/push/a", io.MultiReader(strings.NewReader(big)))
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("a long chunked body: %d", resp.StatusCode)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, rt := range routes {
		path := strings.NewReplacer("{user}", "u", "{channel...}", "c", "{channel}", "c", "{seq}", "1").Replace(rt.path)
		for _, m := range rt.methods {
			for _, header := range []string{
				"", "Bearer", "Bearer ", "Bearer wrong", "Bearer " + testKey + "x", "Bearer " + testKey[1:], "Basic " + testKey, testKey,
			} {
				a := s.do(m.name, path, "", "Authorization: "+header)
				if rt.public {
					a.is(200)
					continue
				}
				a.problem(401, "")
				if a.header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s: no WWW-Authenticate", a.what)
				}
			}
		}
	}
	for _, header := range []string{"Bearer " + testKey, "bearer another", "BEARER  " + testKey} {
		s.do("GET", "/v1/stats", "", "Authorization: "+header).is(200)
	}
	s.do("GET", "/nowhere", "", "Authorization: ").problem(404, "")
	s.do("PUT", "/v1/stats", "", "Authorization: ").problem(401, "")

	closed := serveHandler(t, New(newServer(t), Options{}), nil)
	closed.do("GET", "/v1/stats", "", "Authorization: ").problem(401, "")
	closed.do("GET", "/v1/stats", "", "Authorization: Bearer ").problem(401, "")
}

func TestLocalOnly(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	s := serveHandler(t, New(srv, Options{Dev: true, AllowOrigins: []string{"http://localhost:5173", "https://*.example.com"}}), srv)
	host := strings.TrimPrefix(s.url, "http://")
	_, port, _ := net.SplitHostPort(host)
	for _, tt := range []struct {
		headers []string
		field   string // "": allowed
	}{
		{nil, ""},
		{[]string{"Host: localhost:" + port}, ""},
		{[]string{"Host: app.localhost:1"}, ""},
		{[]string{"Host: LOCALHOST"}, ""},
		{[]string{"Host: [::1]:80"}, ""},
		{[]string{"Host: 127.9.9.9"}, ""},
		{[]string{"Host: evil.example"}, "Host"},
		{[]string{"Host: localhost.evil.example:" + port}, "Host"},
		{[]string{"Host: notlocalhost"}, "Host"},
		{[]string{"Host: 192.0.2.1"}, "Host"},
		{[]string{"Host: 127.0.0.1.nip.io"}, "Host"},
		{[]string{"Origin: " + s.url}, ""},
		{[]string{"Origin: http://localhost:" + port}, ""},
		{[]string{"Origin: http://localhost:" + port, "Host: localhost:" + port}, ""},
		{[]string{"Origin: http://localhost:5173"}, ""},
		{[]string{"Origin: https://a.example.com"}, ""},
		{[]string{"Origin: https://a.example.com.evil"}, "Origin"},
		{[]string{"Origin: http://localhost:1"}, "Origin"},
		{[]string{"Origin: http://evil.example"}, "Origin"},
		{[]string{"Origin: http://evil.example:" + port}, "Origin"},
		{[]string{"Origin: http://evil.example", "Host: evil.example"}, "Host"},
		{[]string{"Origin: null"}, "Origin"},
		{[]string{"Origin: file://"}, "Origin"},
		{[]string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, "Origin"},
		{[]string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, ""},
		{[]string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"}, ""},
	} {
		for _, path := range []string{"/v1/stats", "/healthz", "/metrics", "/nowhere"} {
			a := s.do("GET", path, "", append(tt.headers, "Authorization: ")...)
			switch {
			case tt.field != "":
				a.problem(403, tt.field)
			case path == "/nowhere":
				a.problem(404, "")
			default:
				a.is(200)
			}
		}
	}
}

// TestLocalOnlySaysWhatAllows: the error, which the log has, too, has the flag that allows the
// page, if there is one.
func TestLocalOnlySaysWhatAllows(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"Origin: http://localhost:5173": "start with --allow-origin http://localhost:5173",
		"Origin: https://[2001:db8::1]": "start with --allow-origin https://[2001:db8::1]",
		"Origin: null":                  "let a server serve the page",
		"Origin: http://a/ --data /":    "let a server serve the page",
		"Sec-Fetch-Site: cross-site":    "may not embed",
	} {
		r := httptest.NewRequest("GET", "http://localhost/ws", nil)
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
		var got string
		LocalOnly(http.NotFoundHandler(), func(_ http.ResponseWriter, _ *http.Request, err error) { got = err.Error() }).ServeHTTP(httptest.NewRecorder(), r)
		if !strings.Contains(got, want) || strings.Contains(got, "--allow-origin") != strings.HasPrefix(want, "start") {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
}

// TestLocalOnlyKnowsItsAddress: a listener that is not on loopback accepts its own address
// as Host.
func TestLocalOnlyKnowsItsAddress(t *testing.T) {
	t.Parallel()
	h := LocalOnly(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
		func(w http.ResponseWriter, _ *http.Request, err error) { wirepost.WriteError(w, err) })
	for host, want := range map[string]int{"192.0.2.7:8080": 200, "192.0.2.8:8080": 403, "[2001:db8::1]": 403} {
		r := httptest.NewRequest("GET", "http://"+host+"/", nil)
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey,
			net.Addr(&net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 8080})))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d", host, w.Code)
		}
	}
}

// fake is a backend whose pushes return what the test sets; nothing else works.
type fake struct {
	backend
	push func([]wirepost.Push) []wirepost.BatchResult
}

func (f *fake) MaxMessage() int           { return 1 << 16 }
func (f *fake) Ready() error              { return nil }
func (f *fake) Alive() error              { return nil }
func (f *fake) Now() time.Time            { return time.Now() }
func (f *fake) CountRefusal(string)       {}
func (f *fake) Metrics() wirepost.Metrics { return wirepost.Metrics{} }

func (f *fake) PushEach(_ context.Context, ps []wirepost.Push) []wirepost.BatchResult {
	return f.push(ps)
}

func (f *fake) Push(_ context.Context, p wirepost.Push) (wirepost.PushResult, error) {
	o := f.push([]wirepost.Push{p})[0]
	return o.PushResult, o.Err
}

func (f *fake) Stats() wirepost.Stats { panic("a bug") }

// failing is a backend that fails all pushes.
func failing(err error) *fake {
	return &fake{push: func(ps []wirepost.Push) []wirepost.BatchResult {
		out := make([]wirepost.BatchResult, len(ps))
		for i := range out {
			out[i].Err = err
		}
		return out
	}}
}

func serveFake(t *testing.T, f *fake) (*site, *testlog.Buffer) {
	t.Helper()
	log := new(testlog.Buffer)
	s := serveHandler(t, newHandler(f, Options{Keys: []string{testKey}, Logger: slog.New(slog.NewTextHandler(log, nil))}), nil)
	return s, log
}

func TestBackendErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err        error
		status     int
		retryAfter string
		logged     bool
	}{
		{errors.New("the secret reason"), 500, "", true},
		{engine.ErrUnavailable, 503, "1", false},
		{&wirepost.Error{Code: wirepost.CodeRateLimited, Message: "slow down", RetryAfter: 1500 * time.Millisecond}, 429, "2", false},
		{&wirepost.Error{Code: wirepost.CodeUnavailable, Message: "later", Err: errors.New("the secret reason")}, 503, "1", false},
	} {
		s, log := serveFake(t, failing(tt.err))
		a := s.push(`{"to":"a","data":1}`)
		a.problem(tt.status, "")
		if a.header.Get("Retry-After") != tt.retryAfter || strings.Contains(string(a.body), "secret") {
			t.Errorf("%v: %v %s", tt.err, a.header, a.body)
		}
		line := s.do("POST", "/v1/push", `{"to":"a","data":1}`, "Content-Type: application/x-ndjson").is(200)
		if strings.TrimSpace(string(line.body)) != strings.TrimSpace(string(a.body)) {
			t.Errorf("%v: as a result line: %s", tt.err, line.body)
		}
		if got := strings.Count(log.String(), "secret"); (got == 2) != tt.logged {
			t.Errorf("%v: %d times in the log", tt.err, got)
		}
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	s, log := serveFake(t, &fake{push: func([]wirepost.Push) []wirepost.BatchResult { panic("a bug") }})
	for _, r := range []*http.Request{
		s.request("GET", "/v1/stats", nil),
		s.request("POST", "/v1/push", strings.NewReader(`{"to":"a","data":1}`)),
		s.request("POST", "/v1/push", strings.NewReader(`{"to":"a","data":1}`), "Content-Type: application/x-ndjson"),
	} {
		resp, err := s.client.Do(r)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil {
			t.Errorf("%s %s: a panic produced a response", r.Method, r.URL.Path)
		}
	}
	if got := strings.Count(log.String(), "a bug"); got != 3 {
		t.Errorf("%d panics in the log", got)
	}
	s.do("GET", "/healthz", "").is(200)
}
