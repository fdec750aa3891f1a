package httpapi

import (
	"log/slog"
	"testing"
	"time"

	"github.com/wirepost/wirepost/hooks"
)

type fakeHooks []hooks.Stats

func (f fakeHooks) Stats() []hooks.Stats { return f }

// TestHookStats: the state of hooks is in /v1/stats, if there are any.
func TestHookStats(t *testing.T) {
	t.Parallel()
	var none, some statsResponse
	newSite(t).do("GET", "/v1/stats", "").is(200).into(&none)
	if none.Hooks != nil {
		t.Errorf("%+v", none.Hooks)
	}
	srv := newServer(t)
	s := serveHandler(t, New(srv, Options{Keys: []string{testKey}, Logger: slog.New(slog.DiscardHandler), Hooks: fakeHooks{
		{Hook: "connect", URL: "http://x/", Requests: map[string]uint64{"ok": 7, "timeout": 1}, Latency: 1500 * time.Microsecond},
		{Hook: "call", URL: "http://y/", BreakerOpen: true, Opened: 2, Failures: 11, LastError: "connection refused", LastFail: time.UnixMilli(42)},
	}}), srv)
	s.do("GET", "/v1/stats", "").is(200).into(&some)
	if len(some.Hooks) != 2 || some.Hooks[0].LatencyMS != 1.5 || some.Hooks[0].Requests["ok"] != 7 {
		t.Fatalf("%+v", some.Hooks)
	}
	if h := some.Hooks[1]; !h.BreakerOpen || h.Failures != 11 || h.LastError != "connection refused" || h.LastErrorAt != 42 {
		t.Errorf("%+v", h)
	}
}
