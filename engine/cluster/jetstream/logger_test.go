package jetstream

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLogger: a peer that is not there yet is not an error.
func TestLogger(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		log   func(l *logger)
		level string
	}{
		{func(l *logger) {
			l.Errorf("Error trying to connect to route (attempt %v): %v", 1, "connection refused")
		}, "INFO"},
		{func(l *logger) { l.Errorf("disk %s", "failed") }, "ERROR"},
		{func(l *logger) { l.Noticef("Server is ready") }, "DEBUG"},
		{func(l *logger) { l.Warnf("%s", "Waiting for routing to be established...") }, "DEBUG"},
		{func(l *logger) { l.Warnf("%s", "something else") }, "WARN"},
	} {
		var out bytes.Buffer
		test.log(&logger{to: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		if !strings.Contains(out.String(), "level="+test.level+" ") {
			t.Errorf("%s, want %s", out.String(), test.level)
		}
	}
}

// TestConflicts: what an operator has to do something about is logged now and then, with
// what to do, although servers try to connect all the time.
func TestConflicts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := &logger{to: slog.New(slog.NewTextHandler(&out, nil))}
		for range 300 {
			l.Errorf("%s - Rejecting connection, cluster name %q does not match %q", "1.2.3.4:5 - rid:1", "prod", "other")
			l.Noticef("%s - Router connection closed: Cluster Name Conflict", "1.2.3.4:5 - rid:1")
			l.Errorf("%s - processRemoteSub Parse Error: %s", "1.2.3.4:5 - rid:1", "x")
			time.Sleep(100 * time.Millisecond)
		}
		if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "cluster.name must be the same") || !strings.Contains(got, "1.2.3.4:5") {
			t.Errorf("logged:\n%s", got)
		}
		if l.current() != otherCluster {
			t.Errorf("current: %q", l.current())
		}
		l.Noticef("1.2.3.4:5 - rid:1 - Router connection closed: Duplicate Server Name")
		if l.current() != sameName {
			t.Errorf("current: %q", l.current())
		}
		time.Sleep(time.Minute)
		if got := l.current(); got != "" {
			t.Errorf("current after a minute: %q", got)
		}
		l.Noticef("1.2.3.4:5 - rid:1 - Router connection closed: Duplicate Server Name")
		if n := strings.Count(out.String(), "the same name"); n != 2 {
			t.Errorf("logged %d times", n)
		}
	})
}
