// Package httpapi is the HTTP API for backends: everything under /v1, and the
// metrics and health of the server.
//
// New makes the handler; routes.go has the table of what it answers, and
// openapi.json describes it for others (a test keeps the two equal). LocalOnly is
// the guard of development mode, to be put around every handler of a listener.
//
// A push passes routes.go, which finds its handler; keys.go, which checks the API key;
// limits.go, which reserves memory; and push.go or ndjson.go, which read it with package
// internal/parse: scan.go reads the usual form of a push, members.go every other. The
// data is checked there and copied once: its payload.Data tells the server that it need
// not check it again.
package httpapi

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/hooks"
	"github.com/wirepost/wirepost/httpapi/internal/parse"
)

// Options configures the handler.
type Options struct {
	// Keys are the API keys, as ParseKey reads them; New panics if one is invalid. Without any, and outside of
	// Dev, every request that needs one is refused.
	Keys []string
	// PushRate is how many messages a second each key may push, with a second's
	// worth at once; 0: any number. Streams are slowed down to it, other pushes
	// are refused.
	PushRate int
	// PushMemory bounds the memory of the pushes in progress, in bytes; 0: 256 MiB.
	// A push that would exceed it is refused before its body is read.
	PushMemory int64
	// Dev requires no key, and refuses requests with a foreign Origin or Host as LocalOnly
	// does.
	Dev bool
	// AllowOrigins are the origins that LocalOnly lets pass in Dev: for example
	// "http://localhost:5173", with * for any run of characters.
	AllowOrigins []string
	// Ready is asked by /readyz after the server; nil means always ready.
	Ready func() error
	// Draining is closed before the server shuts down: bulk pushes then end with what they
	// have read. May be nil.
	Draining <-chan struct{}
	// Collectors are served by /metrics in addition to the metrics of the server.
	Collectors []prometheus.Collector
	// Hooks are shown by /v1/stats. May be nil.
	Hooks HookSource
	// Settings are served by /v1/config, with secrets masked. Nil: there is no such route.
	Settings []Setting
	// Logger gets internal errors; nil means slog.Default().
	Logger *slog.Logger
}

// Setting is a setting of the program, as its operator wrote it.
type Setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin string `json:"origin"` // default, a flag, a variable or a line of a file
}

// HookSource provides the state of hooks: a *hooks.Hooks.
type HookSource interface {
	Stats() []hooks.Stats
}

// defaultPushMemory is Options.PushMemory unless it is set.
const defaultPushMemory = 256 << 20

// New makes the handler of the API. It serves /v1/, /metrics, /healthz and
// /readyz, and is safe for concurrent use.
func New(srv *wirepost.Server, o Options) http.Handler { return newHandler(srv, o) }

func newHandler(srv backend, o Options) http.Handler {
	a := &api{
		srv: srv, keys: newKeyring(o.Keys, o.PushRate), ready: o.Ready, draining: o.Draining, hooks: o.Hooks, settings: o.Settings,
		logger: o.Logger, maxData: srv.MaxMessage(), memory: &budget{limit: o.PushMemory},
	}
	if o.PushMemory <= 0 {
		a.memory.limit = defaultPushMemory
	}
	if o.Dev {
		a.anyone = &knownKey{scope: Admin, pace: newPace(o.PushRate)}
	}
	a.maxJSON = maxJSON(a.maxData)
	if a.logger == nil {
		a.logger = slog.Default()
	}
	a.metrics = newMetrics(srv, o.Collectors, a.logger)
	if o.Dev {
		return LocalOnly(a, srv.Refuse, o.AllowOrigins...)
	}
	return a
}

// maxJSON is how long a push may be in JSON: data of a permitted size in its longest
// form, which is six bytes (\u001f) for one, and the longest list of targets, in which
// escapes may double the length.
func maxJSON(maxData int) int { return 6*maxData + parse.MaxTargets*(2*maxNameBytes+4) }

// maxNameBytes is the longest name of a channel (wirepost.CheckChannel).
const maxNameBytes = 200
