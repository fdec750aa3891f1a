package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
)

// ailing is an engine whose health the test sets.
type ailing struct {
	engine.Engine
	err atomic.Pointer[error]
}

func (a *ailing) Ready() error {
	if err := a.err.Load(); err != nil {
		return *err
	}
	return nil
}

// /readyz reports every failure of the engine, /healthz only those that a restart repairs,
// and neither reveals internals.
func TestProbes(t *testing.T) {
	t.Parallel()
	e := &ailing{Engine: memory.New(memory.Options{})}
	srv, err := wirepost.New(wirepost.Options{Engine: e, Authenticate: auth.Dev()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		srv.Shutdown(t.Context()) //nolint:errcheck // there are no clients
		e.Close()
	})
	h := New(srv, Options{Keys: []string{"key"}})
	for _, test := range []struct {
		err            error
		ready, healthy int
		detail         string
	}{
		{nil, 200, 200, ""},
		{engine.ErrFull, 503, 200, "disk is full"},
		{engine.ErrStalled, 503, 200, "stalled"},
		{engine.ErrFailed, 503, 503, "restarted"},
		{engine.ErrUnavailable, 503, 200, "refuses writes at the moment"},
		{engine.ErrIsolated, 503, 200, "this node takes no writes: it does not reach the log of the cluster"},
		{engine.ErrLogStalled, 503, 200, "do not get through the log of the cluster"},
		{engine.ErrCatchingUp, 503, 200, "it is catching up with the log"},
		{engine.ErrNotUpgraded, 503, 200, "before all nodes of the cluster are upgraded"},
		{nil, 200, 200, ""},
	} {
		if e.err.Store(nil); test.err != nil {
			err := fmt.Errorf("%w: write /var/lib/x/000123.log: input/output error", test.err)
			e.err.Store(&err)
		}
		for path, want := range map[string]int{"/readyz": test.ready, "/healthz": test.healthy} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			body := w.Body.String()
			if w.Code != want {
				t.Errorf("%s with %v: %d", path, test.err, w.Code)
			}
			if want == http.StatusServiceUnavailable && (!strings.Contains(body, test.detail) || w.Header().Get("Retry-After") == "") {
				t.Errorf("%s with %v: %s", path, test.err, body)
			}
			if strings.Contains(body, "/var/lib") {
				t.Errorf("%s reveals internals: %s", path, body)
			}
		}
	}
}
