package jetstream

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// logger writes the log lines of an embedded server, and remembers what keeps servers apart
// until someone changes the settings. It implements server.Logger.
type logger struct {
	to *slog.Logger

	mu     sync.Mutex
	seen   map[string]time.Time // when an advice was last logged
	advice string               // about the last conflict
	at     time.Time            // of that
	fatal  string               // why the server has stopped
}

const (
	// conflictEvery is the time between two log lines about the same conflict: servers try
	// to connect all the time.
	conflictEvery = time.Minute
	// conflictFor is how long a conflict is current.
	conflictFor = 10 * time.Second
)

// conflicts are parts of lines about routes that an operator has to do something about.
var conflicts = []struct{ part, advice string }{
	{"Cluster Name Conflict", otherCluster},
	{"Rejecting connection, cluster name", otherCluster},
	{"cluster name from remote server conflicts", otherCluster},
	{"Duplicate Server Name", sameName},
	{"Remote server has a duplicate name", sameName},
	{"Authentication Failure", otherSecret},
	{"authentication error", otherSecret},
	{"TLS route handshake error", otherSecret},
}

const (
	otherCluster = "a server of another cluster is among the peers: cluster.name must be the same on all nodes, and cluster.peers must name the nodes of this cluster only"
	sameName     = "two nodes of the cluster have the same name: give each its own cluster.node, with a data directory of its own"
	otherSecret  = "a server was not accepted: cluster.secret must be the same on all nodes, and cluster.tls-ca must have issued the certificates of all"
)

// conflict handles a line about a conflict, and reports whether it is one.
func (l *logger) conflict(line string) bool {
	if !strings.Contains(line, " rid:") || strings.Contains(line, "EOF") || strings.Contains(line, "reset by peer") {
		return false // not about a route, or the other server was stopped
	}
	for _, c := range conflicts {
		if !strings.Contains(line, c.part) {
			continue
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		now := time.Now()
		l.advice, l.at = c.advice, now
		if last, seen := l.seen[c.advice]; seen && now.Sub(last) < conflictEvery {
			l.to.Debug("nats: " + line)
			return true
		}
		if l.seen == nil {
			l.seen = map[string]time.Time{}
		}
		l.seen[c.advice] = now
		l.to.Error(c.advice, "nats", line)
		return true
	}
	return false
}

// current returns what an operator has to do about a conflict that goes on, or "".
func (l *logger) current() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.at) > conflictFor {
		return ""
	}
	return l.advice
}

// log logs a line at a level, unless it is about a conflict.
func (l *logger) log(level func(string, ...any), format string, args []any) {
	if line := fmt.Sprintf(format, args...); !l.conflict(line) {
		level("nats: " + line)
	}
}

func (l *logger) Noticef(format string, args ...any) { l.log(l.to.Debug, format, args) }

func (l *logger) Warnf(format string, args ...any) {
	level, line := l.to.Warn, fmt.Sprintf(format, args...)
	switch {
	case strings.HasPrefix(line, "TLS certificate chain and hostname of solicited routes will not be verified"):
		level = l.to.Debug // secretTLS verifies them by the key
	case strings.HasPrefix(line, "Waiting for routing to be established"):
		level = l.to.Debug // every two seconds, and the node says what it waits for
	}
	l.log(level, "%s", []any{line})
}

// Errorf implements server.Logger. A peer that cannot be connected to is not an error: it
// may not have been started yet. The node says what it waits for, and which nodes are
// unreachable. What a server sends that has just been refused is not one either.
func (l *logger) Errorf(format string, args ...any) {
	level := l.to.Error
	switch {
	case strings.HasPrefix(format, "Error trying to connect to route"):
		level = l.to.Info
	case strings.Contains(format, "Parse Error") && l.current() != "":
		level = l.to.Debug
	}
	l.log(level, format, args)
}

// Fatalf implements server.Logger: the server stops.
func (l *logger) Fatalf(format string, args ...any) {
	l.mu.Lock()
	l.fatal = fmt.Sprintf(format, args...)
	l.mu.Unlock()
	l.log(l.to.Error, format, args)
}

// stopped returns why the server has stopped, or "".
func (l *logger) stopped() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func (l *logger) Debugf(format string, args ...any) { l.log(l.to.Debug, format, args) }
func (l *logger) Tracef(string, ...any)             {}
