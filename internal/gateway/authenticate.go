package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/bearer"
	"github.com/wirepost/wirepost/internal/callback"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/wire"
)

// TokenCookie is the cookie that may carry a client's token.
const TokenCookie = "wirepost_token"

// authenticate returns the identity of the request's sender, or an error.
func (g *Gateway) authenticate(r *http.Request, query url.Values) (*access.Identity, error) {
	if g.config.Authenticate == nil {
		token, err := tokenOf(r, query)
		if err != nil {
			return nil, err
		}
		if token == "" {
			return nil, fault.Errorf(fault.Unauthorized, "a token is needed: as Authorization: Bearer, ?token=, "+
				"the cookie %s, or the subprotocol entry %s<token>", TokenCookie, wire.BearerPrefix)
		}
		return g.verifyToken(r.Context(), "", token)
	}
	return g.identify(r.Context(), "Authenticate", "", func(id *access.Identity) (err error) {
		*id, err = g.config.Authenticate(r)
		return err
	})
}

// verifyToken returns the identity of a token. The user is the one whose session sent
// it, "" in a connect request.
func (g *Gateway) verifyToken(ctx context.Context, user, token string) (*access.Identity, error) {
	return g.identify(ctx, "VerifyToken", user, func(id *access.Identity) (err error) {
		*id, err = g.config.VerifyToken(ctx, token)
		assumeIssued(id)
		return err
	})
}

// refreshIdentity returns the next identity of a session.
func (g *Gateway) refreshIdentity(ctx context.Context, s session.Info) (*access.Identity, error) {
	return g.identify(ctx, "Refresh", s.User, func(id *access.Identity) (err error) {
		*id, err = g.config.Refresh(ctx, s)
		return err
	})
}

// identify calls one of the application's callbacks for an identity. Identities are
// large: they are passed by pointer, because copies would grow the stack of the
// request's goroutine.
func (g *Gateway) identify(ctx context.Context, name, user string, ask func(*access.Identity) error) (*access.Identity, error) {
	id := new(access.Identity)
	var err error
	if p := callback.Guard(g.host.Logger, name, user, func() { err = ask(id) }); p != nil {
		return nil, p
	}
	if errors.Is(err, http.ErrNoCookie) {
		err = &fault.Error{Code: fault.Unauthorized, Message: "the request has no authentication cookie", Err: err}
	}
	if err = g.refusal(ctx, name, err); err != nil {
		return nil, err // with the code that the application gave it
	}
	if err := id.Check(time.Now()); err != nil {
		return nil, fault.Unauthorize(err)
	}
	return id, nil
}

// assumeIssued sets the time of issue of a token without one.
func assumeIssued(id *access.Identity) {
	if id.Issued.IsZero() {
		id.Issued = time.Unix(1, 0)
	}
}

// RequestToken returns the token of a connect request, or "".
func RequestToken(r *http.Request) (string, error) { return tokenOf(r, r.URL.Query()) }

func tokenOf(r *http.Request, query url.Values) (string, error) {
	if token, ok := bearer.Token(r.Header); ok {
		return token, nil
	}
	if token := query.Get("token"); token != "" {
		return token, nil
	}
	if token, err := cookieToken(r); token != "" || err != nil {
		return token, err
	}
	for p := range offeredProtocols(r) {
		if token, ok := strings.CutPrefix(p, wire.BearerPrefix); ok {
			return token, nil
		}
	}
	return "", nil
}

// cookieToken returns the token in the cookie. Several cookies with different values
// are refused: browsers do not send which site set a cookie, and a page of a sibling
// domain may have set one for the whole domain to make the user connect as another one.
func cookieToken(r *http.Request) (token string, err error) {
	for _, c := range r.CookiesNamed(TokenCookie) {
		switch {
		case c.Value == "" || c.Value == token:
		case token != "":
			return "", fault.Errorf(fault.Unauthorized, "there are several cookies %s with different values: "+
				"set it for one domain and path only, and delete the others", TokenCookie)
		default:
			token = c.Value
		}
	}
	return token, nil
}

// refusal turns the error of a callback about a connection into the client's error.
func (g *Gateway) refusal(ctx context.Context, name string, err error) error {
	return callback.Refusal(ctx, g.host.Logger, name, "this connection", err)
}
