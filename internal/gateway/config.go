package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/session"
)

// Config is what the server's options say of connecting.
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

// Hooks are the server's and the application's functions that a gateway calls.
type Hooks struct {
	// Accepting says why clients may not connect, if they may not. That the store takes
	// no writes is no reason: reading goes on.
	Accepting func() error
	// Authenticate says who sends a request. Nil: the request's token does.
	Authenticate func(*http.Request) (access.Identity, error)
	// VerifyToken says whose token it is. May be nil if Authenticate is not.
	VerifyToken func(ctx context.Context, token string) (access.Identity, error)
	// Connect is asked whether a session may begin. May be nil.
	Connect func(*http.Request, session.Info) error
}

// ErrDraining refuses work because the server shuts down.
var ErrDraining = &fault.Error{Code: fault.Unavailable, Message: "the server is shutting down", RetryAfter: 2 * time.Second}
