// Package httpapi is the HTTP API for backends: everything under /v1, and the
// metrics and health of the server.
//
// New makes the handler; routes.go has the table of what it answers, and
// openapi.json describes it for others (a test keeps the two equal). LocalOnly is
// the guard of development mode, to be put around every handler of a listener.
//
// A push takes this way: routes.go finds its handler, keys.go asks for a key,
// limits.go for room, push.go or ndjson.go reads it with the help of scan.go, which knows the usual
// form of a push and leaves everything else to strict.go. Names of channels and
// users are checked here, data by the server.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/wirepost/wirepost"
)

// Options configures the handler.
type Options struct {
	// Keys are the API keys, as ParseKey reads them. Without any, and outside of
	// Dev, every request that needs one is refused.
	Keys []string
	// PushRate is how many messages a second each key may push, with a second's
	// worth at once; 0: any number. Streams are slowed down to it, other pushes
	// refused.
	PushRate int
	// PushMemory bounds what the pushes under way may take, in bytes; 0: 256 MiB.
	// What would exceed it is refused before its body is read.
	PushMemory int64
	// Dev asks for no key, and refuses every request with a foreign Origin or
	// Host as LocalOnly does.
	Dev bool
	// AllowOrigins are the origins that LocalOnly lets pass in Dev: for example
	// "http://localhost:5173", with * for any run of characters.
	AllowOrigins []string
	// Ready is asked by /readyz after the server; nil means always ready.
	Ready func() error
	// Draining is closed when the server is about to end: bulk pushes then end
	// with what they have read. May be nil.
	Draining <-chan struct{}
	// Logger gets what went wrong inside; nil means slog.Default().
	Logger *slog.Logger
}

// backend is what the handlers need of a *wirepost.Server.
type backend interface {
	Push(context.Context, wirepost.Push) (wirepost.PushResult, error)
	PushAll(context.Context, []wirepost.Push) ([]wirepost.PushResult, error)
	PushEach(context.Context, []wirepost.Push) []wirepost.BatchResult
	Revoke(ctx context.Context, channel string, seq uint64) (wirepost.PushResult, error)

	User(ctx context.Context, user string) (wirepost.UserInfo, error)
	Disconnect(ctx context.Context, user, connection string) (int, error)
	RevokeTokens(ctx context.Context, user string, before time.Time) (int, error)
	Now() time.Time
	MarkRead(ctx context.Context, user, channel string, seq uint64) (read uint64, unread int, err error)
	Join(ctx context.Context, user, channel string) error
	Leave(ctx context.Context, user, channel string) error

	Channel(ctx context.Context, name string) (wirepost.ChannelInfo, error)
	Empty(ctx context.Context, channel string) error
	Messages(ctx context.Context, channel string, after uint64, limit int) ([]wirepost.Message, uint64, error)
	Message(ctx context.Context, channel string, seq uint64) (wirepost.Message, []wirepost.Receipt, error)

	Stats() wirepost.Stats
	Top(n int) wirepost.Top
	Ready() error
	Alive() error
	MaxMessage() int
	Metrics() wirepost.Metrics
	CountRefusal(reason string)
	Refuse(w http.ResponseWriter, r *http.Request, err error)
}

// defaultPushMemory is Options.PushMemory unless it is set.
const defaultPushMemory = 256 << 20

// api answers the requests.
type api struct {
	srv      backend
	keys     keyring
	anyone   *knownKey // for requests without a key; nil: one is needed
	ready    func() error
	draining <-chan struct{}
	logger   *slog.Logger
	metrics  http.Handler
	memory   *budget

	maxData int // bytes of data in a message
	maxJSON int // bytes of a push in JSON
}

// New makes the handler of the API. It serves /v1/, /metrics, /healthz and
// /readyz, and is safe for concurrent use.
func New(srv *wirepost.Server, o Options) http.Handler { return newHandler(srv, o) }

func newHandler(srv backend, o Options) http.Handler {
	a := &api{
		srv: srv, keys: newKeyring(o.Keys, o.PushRate), ready: o.Ready, draining: o.Draining,
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
	a.metrics = newMetrics(srv, a.logger)
	if o.Dev {
		return LocalOnly(a, srv.Refuse, o.AllowOrigins...)
	}
	return a
}

// maxJSON is how long a push may be in JSON: data of a permitted size in its
// longest spelling, which is six bytes (\u001f) for one, and the longest list of
// targets, if escapes make them twice as long.
func maxJSON(maxData int) int { return 6*maxData + maxTargets*(2*maxNameBytes+4) }

// maxNameBytes is the longest name of a channel (wirepost.CheckChannel).
const maxNameBytes = 200
