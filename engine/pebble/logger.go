package pebble

import (
	"fmt"
	"log/slog"
)

// logger hands Pebble's log to slog. Pebble calls Fatalf after a failure that it
// cannot go on from, and does go on when that returns: so Fatalf marks the engine,
// which then never acknowledges a write again.
type logger struct {
	log   *slog.Logger
	fault *fault
}

func (l logger) Infof(format string, args ...any) {
	if l.log.Enabled(nil, slog.LevelDebug) { //nolint:staticcheck // handlers take a nil context
		l.log.Debug("pebble: " + fmt.Sprintf(format, args...))
	}
}

func (l logger) Errorf(format string, args ...any) {
	l.log.Error("pebble: " + fmt.Sprintf(format, args...))
}

func (l logger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	l.fault.set(err)
	l.log.Error("storage failed: writes are refused until a restart", "error", err)
}
