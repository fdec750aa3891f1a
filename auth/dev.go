package auth

import (
	"net/http"

	"github.com/wirepost/wirepost"
)

// Dev returns the authentication of dev mode: ?user= names the user, who may use every
// channel except other users' inboxes and wirepost.All.
func Dev() func(*http.Request) (wirepost.Identity, error) {
	return func(r *http.Request) (wirepost.Identity, error) {
		query := r.URL.Query()
		user := query.Get("user")
		if len(query["user"]) > 1 {
			return wirepost.Identity{}, &wirepost.Error{Code: wirepost.CodeBadRequest, Field: "user", Message: "it is given twice"}
		}
		if user == "" {
			return wirepost.Identity{}, refuse("no user: in dev mode the URL names the user: ws://%s/ws?user=42", r.Host)
		}
		if err := wirepost.CheckUser(user); err != nil {
			return wirepost.Identity{}, err
		}
		return wirepost.Identity{
			User:      user,
			Subscribe: []string{"*"},
			Publish:   []string{"*", wirepost.InboxOf(user)},
		}, nil
	}
}
