package hooks

import (
	"cmp"
	"net/http"
	"time"

	"github.com/wirepost/wirepost"
)

// Apply sets the callbacks of a server for which there is a URL. With a connect hook,
// Authenticate asks the backend about clients without a token, and verifies tokens with
// VerifyToken if that is set; a previous Authenticate is replaced.
func (h *Hooks) Apply(o *wirepost.Options) {
	if h.connect != nil {
		o.Authenticate, o.Refresh = h.authenticator(o), h.refresh
	}
	if h.subscribe != nil {
		o.OnSubscribe = h.onSubscribe
	}
	if h.publish != nil {
		o.OnPublish = h.publisher(cmp.Or(o.MaxMessage, wirepost.DefaultMaxMessage))
	}
	if h.message != nil {
		o.OnMessage = h.onMessage
	}
	if h.call != nil {
		o.OnCall = h.onCall
	}
}

// authenticator makes the Authenticate of a server.
func (h *Hooks) authenticator(o *wirepost.Options) func(*http.Request) (wirepost.Identity, error) {
	verify := o.VerifyToken
	if verify == nil {
		return h.Authenticate
	}
	return func(r *http.Request) (wirepost.Identity, error) {
		token, err := wirepost.RequestToken(r)
		switch {
		case err != nil:
			return wirepost.Identity{}, err
		case token == "":
			return h.Authenticate(r)
		}
		id, err := verify(r.Context(), token)
		if id.Issued.IsZero() {
			id.Issued = time.Unix(1, 0) // a token, which may be revoked
		}
		return id, err
	}
}
