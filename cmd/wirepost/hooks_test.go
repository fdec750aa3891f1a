package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/testlog"
)

// TestHooks runs dev and serve with a backend that knows one cookie: it identifies clients
// without a token, refusals are logged with the backend's reason, and /metrics counts.
func TestHooks(t *testing.T) {
	t.Parallel()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Type    string
			Headers map[string][]string
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || !strings.HasPrefix(r.Header.Get("webhook-signature"), "v1,") {
			t.Errorf("asked %+v, %v, signed %q", q, err, r.Header.Get("webhook-signature"))
		}
		if strings.Join(q.Headers["cookie"], ";") != "session=good" {
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"detail":"the session is over"}`) //nolint:errcheck // the test fails
			return
		}
		io.WriteString(w, `{"user":"42","subscribe":["news"]}`) //nolint:errcheck // the test fails
	}))
	t.Cleanup(backend.Close)
	for name, tt := range map[string]struct {
		change func(*Config)
		level  slog.Level // of the refusal
	}{
		"dev":   {func(*Config) {}, slog.LevelInfo},
		"serve": {func(c *Config) { c.Dev, c.APIKey = false, []apiKey{"a-key-that-is-long-enough"} }, slog.LevelDebug},
	} {
		var log testlog.Buffer
		ctx, stop := context.WithCancel(t.Context())
		_, address, done := testApp(t, ctx, func(c *Config) {
			c.hookSettings = hookSettings{
				HookURL: hookURL(backend.URL + "/hook"), HookSecret: []hookSecret{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
				HookTimeout: duration(patience), HookConcurrency: 4, HookHeaders: []headerName{"cookie"},
			}
			tt.change(c)
		}, &log)
		get := func(path, header, value string) (int, string) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set(header, value)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			return resp.StatusCode, string(body)
		}
		if status, body := get("/poll?wait=0&channels=news&hello=1", "Cookie", "session=good"); status != 200 || !strings.Contains(body, `"user":"42"`) {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if status, body := get("/poll?wait=0", "Cookie", "session=bad"); status != 403 || !strings.Contains(body, "the session is over") {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if want := "level=" + tt.level.String() + ` msg=refused path=/poll reason=forbidden detail="the session is over"`; !strings.Contains(log.String(), want) {
			t.Errorf("%s: the log lacks %s: %s", name, want, &log)
		}
		if status, body := get("/poll?wait=0&user=7&hello=1", "Cookie", "x=1"); name == "dev" && (status != 200 || !strings.Contains(body, `"user":"7"`)) {
			t.Errorf("dev with a user in the URL: %d %s", status, body)
		}
		_, metrics := get("/metrics", "Authorization", "Bearer a-key-that-is-long-enough")
		for _, line := range []string{
			`wirepost_hook_requests_total{hook="connect",result="ok"} 1`, `wirepost_hook_requests_total{hook="connect",result="refused"} `,
			`wirepost_hook_breaker_open{hook="call"} 0`, `wirepost_hook_in_flight{hook="connect"} 0`,
			`wirepost_hook_seconds_count{hook="connect"} `, `wirepost_hook_breaker_opened_total{hook="message"} 0`,
			`wirepost_refused_total{reason="forbidden"} `,
		} {
			if !strings.Contains(metrics, "\n"+line) {
				t.Errorf("%s: the metrics lack %s", name, line)
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHookWarnings: what is weaker than it looks is logged.
func TestHookWarnings(t *testing.T) {
	t.Parallel()
	signed := []hookSecret{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
	for _, tt := range []struct {
		settings hookSettings
		dev      bool
		want     string
	}{
		{hookSettings{}, false, ""},
		{hookSettings{HookURL: "https://u:hunter2@app.example/", HookSecret: signed}, false, ""},
		{hookSettings{HookURL: "https://app.example/"}, false, "not signed"},
		{hookSettings{HookURL: "https://app.example/"}, true, ""},
		{hookSettings{HookCall: "http://u:hunter2@app.example/", HookSecret: signed}, false, "host=app.example:80"},
		{hookSettings{HookCall: "http://10.0.0.5:81/", HookSecret: signed}, false, "host=10.0.0.5:81"},
		{hookSettings{HookURL: "http://127.0.0.1:5000/", HookSecret: signed}, false, ""},
		{hookSettings{HookURL: "http://localhost/", HookSecret: signed}, false, ""},
	} {
		var log bytes.Buffer
		tt.settings.warn(slog.New(slog.NewTextHandler(&log, nil)), tt.dev)
		if !strings.Contains(log.String(), tt.want) || tt.want == "" && log.Len() > 0 || strings.Contains(log.String(), "hunter2") {
			t.Errorf("%+v: %s", tt.settings, &log)
		}
	}
}

// TestHooksReachTheLibrary: a URL of all sets every callback.
func TestHooksReachTheLibrary(t *testing.T) {
	t.Parallel()
	s := hookSettings{HookURL: "http://127.0.0.1:1/", HookTimeout: duration(time.Second), HookConcurrency: 1}
	h, err := s.open(1<<20, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var o wirepost.Options
	s.apply(h, &o, false)
	if o.Authenticate == nil || o.Refresh == nil || o.OnSubscribe == nil || o.OnPublish == nil || o.OnMessage == nil || o.OnCall == nil {
		t.Errorf("%+v", o)
	}
	if h, err := (&hookSettings{}).open(0, nil); h != nil || err != nil {
		t.Error("hooks without a URL")
	}
}
