package jetstream

import (
	"fmt"
	"log/slog"
	"strings"
)

// logger writes the log lines of an embedded server. It implements server.Logger.
type logger struct{ to *slog.Logger }

func (l logger) log(level func(string, ...any), format string, args []any) {
	level("nats: " + fmt.Sprintf(format, args...))
}

// conflicts are parts of notices that an operator has to do something about.
var conflicts = []string{"Cluster Name Conflict", "Duplicate Server Name", "Authentication Failure"}

func (l logger) Noticef(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	for _, c := range conflicts {
		if strings.Contains(line, c) {
			l.to.Warn("nats: " + line)
			return
		}
	}
	l.to.Debug("nats: " + line)
}

func (l logger) Warnf(format string, args ...any) {
	// secretTLS verifies routes by the key.
	if !strings.HasPrefix(format, "TLS certificate chain and hostname of solicited routes will not be verified") {
		l.log(l.to.Warn, format, args)
	}
}

func (l logger) Errorf(format string, args ...any) { l.log(l.to.Error, format, args) }
func (l logger) Fatalf(format string, args ...any) { l.log(l.to.Error, format, args) }
func (l logger) Debugf(format string, args ...any) { l.log(l.to.Debug, format, args) }
func (l logger) Tracef(string, ...any)             {}
