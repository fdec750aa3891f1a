package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/session"
)

// Config is the server's options for connecting.
type Config struct {
	Hooks
	AllowOrigins []string // as origin.ParsePattern takes them
	Compress     bool     // permessage-deflate, for clients that offer it
	LogRefusals  bool     // at level info
	Loops        int      // event loops

	// 0 is no limit.
	MaxConnections        int
	MaxAddressConnections int
	HandshakeRate         float64 // new connections a second, per address
}

// Hooks are functions of the server and the application that a gateway calls.
type Hooks struct {
	// Accepting returns an error if clients may not connect. That the store refuses
	// writes is not a reason: clients may still read.
	Accepting func() error
	// Authenticate returns the identity of a request's sender. Nil: the request's token
	// is used.
	Authenticate func(*http.Request) (access.Identity, error)
	// VerifyToken returns the identity of a token. May be nil if Authenticate is not.
	VerifyToken func(ctx context.Context, token string) (access.Identity, error)
	// Refresh returns the next identity of a session. May be nil.
	Refresh func(context.Context, session.Info) (access.Identity, error)
	// Connect decides whether a session may begin. May be nil.
	Connect func(*http.Request, session.Info) error
}

// ErrDraining refuses requests because the server shuts down.
var ErrDraining = &fault.Error{Code: fault.Unavailable, Message: "the server is shutting down", RetryAfter: 2 * time.Second}
