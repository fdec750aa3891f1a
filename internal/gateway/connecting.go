package gateway

import (
	"context"

	"github.com/wirepost/wirepost/internal/codec"
	"github.com/wirepost/wirepost/internal/names"
)

// connecting is what is known of a connection before its user is.
type connecting struct {
	id   names.ConnectionID
	mode codec.Mode
}

type connectingKey struct{}

// withConnecting returns the context of a connect request for Hooks.Authenticate.
func withConnecting(ctx context.Context, id names.ConnectionID, m codec.Mode) context.Context {
	return context.WithValue(ctx, connectingKey{}, connecting{id, m})
}

// Connecting returns the ID and the mode of the connection that a request asks for, in
// the context that Hooks.Authenticate gets; otherwise both are empty.
func Connecting(ctx context.Context) (connection, mode string) {
	c, ok := ctx.Value(connectingKey{}).(connecting)
	if !ok {
		return "", ""
	}
	return c.id.String(), c.mode.Codec().Name()
}
