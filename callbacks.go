package wirepost

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/gateway"
	"github.com/wirepost/wirepost/internal/session"
)

// sessionHooks are what sessions call, with the types of this package for the
// application's callbacks.
func (s *Server) sessionHooks() session.Hooks {
	o := &s.opts
	h := session.Hooks{
		Publish: s.publish,
		Values: !o.NoRequestValues && (o.OnMessage != nil || o.OnCall != nil || o.OnSubscribe != nil || o.OnPublish != nil ||
			o.OnAck != nil || o.OnDisconnect != nil || o.Refresh != nil),
	}
	if o.OnSubscribe != nil {
		h.Subscribe = func(ctx context.Context, i session.Info, channel string) error {
			return internalError(o.OnSubscribe(ctx, newSession(i), channel))
		}
	}
	if o.OnMessage != nil {
		h.Message = func(ctx context.Context, i session.Info, f session.Frame) (session.Frame, error) {
			reply, err := o.OnMessage(ctx, newSession(i), Frame(f))
			return session.Frame(reply), closingError(err)
		}
	}
	if o.OnCall != nil {
		h.Call = func(ctx context.Context, i session.Info, method string, data json.RawMessage) (any, error) {
			result, err := o.OnCall(ctx, newSession(i), method, data)
			return result, closingError(err)
		}
	}
	if o.OnAck != nil {
		h.Acknowledged = func(ctx context.Context, i session.Info, channel string, seq uint64) {
			o.OnAck(ctx, newSession(i), channel, seq)
		}
	}
	if o.WebPush.on() {
		h.WebPush = func(ctx context.Context, userID, device string, subscription json.RawMessage, endpoint string) error {
			return s.pusher.command(ctx, userID, device, subscription, endpoint)
		}
	}
	h.Read = o.OnRead
	s.eventHooks(&h)
	if o.OnDisconnect != nil {
		h.Disconnected = func(ctx context.Context, i session.Info, e session.CloseInfo) {
			o.OnDisconnect(ctx, newSession(i), CloseInfo(e))
		}
	}
	return h
}

func (s *Server) gatewayHooks() gateway.Hooks {
	o := &s.opts
	h := gateway.Hooks{Accepting: func() error { return internalError(s.accepting()) }}
	if o.Authenticate != nil {
		h.Authenticate = func(r *http.Request) (access.Identity, error) {
			id, err := o.Authenticate(r)
			return access.Identity(id), internalError(err)
		}
	}
	if o.VerifyToken != nil {
		h.VerifyToken = func(ctx context.Context, token string) (access.Identity, error) {
			id, err := o.VerifyToken(ctx, token)
			return access.Identity(id), internalError(err)
		}
	}
	if o.Refresh != nil {
		h.Refresh = func(ctx context.Context, i session.Info) (access.Identity, error) {
			id, err := o.Refresh(ctx, newSession(i))
			return access.Identity(id), internalError(err)
		}
	}
	if o.OnConnect != nil {
		h.Connect = func(r *http.Request, i session.Info) error {
			return internalError(o.OnConnect(r, newSession(i)))
		}
	}
	return h
}

// closingError is internalError for the callbacks that may close the connection by
// returning a CloseInfo.
func closingError(err error) error {
	if e, ok := closing(err); ok {
		return session.CloseInfo(e)
	}
	return internalError(err)
}

// closing returns the CloseInfo in the chain of a callback's error, if there is one that
// an application may close a connection with.
func closing(err error) (CloseInfo, bool) {
	info, ok := errors.AsType[CloseInfo](err)
	return info, ok && info.check() == nil
}

// internalError is an error of this package, or of a callback, as the parts of the
// server know it. What is not an *Error stays what it is.
func internalError(err error) error {
	if e := coded(err); e != nil {
		return e.fault()
	}
	return err
}

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
