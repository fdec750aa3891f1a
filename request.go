package wirepost

import (
	"context"
	"net/http"

	"github.com/wirepost/wirepost/internal/gateway"
)

// RequestToken returns the token of a connect request: that of the Authorization header,
// ?token=, the cookie wirepost_token or a subprotocol entry bearer.<token>. It returns ""
// if there is none. With it, an Authenticate can accept both tokens and cookies of the
// application. The error, for cookies that contradict each other, is an *Error.
func RequestToken(r *http.Request) (string, error) {
	token, err := gateway.RequestToken(r)
	return token, public(err)
}

// Connecting returns the ID and the mode (plain, wirepost.v1, sse or poll) of the
// connection that a request asks for, in the context of the request that Authenticate
// gets. The connection keeps the ID if it is accepted.
func Connecting(ctx context.Context) (connection, mode string) { return gateway.Connecting(ctx) }
