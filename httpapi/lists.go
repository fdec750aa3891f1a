package httpapi

import (
	"net/http"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpapi/internal/parse"
)

// users is GET /v1/users.
func (a *api) users(w http.ResponseWriter, r *request) error {
	q, err := r.listQuery()
	if err != nil {
		return err
	}
	if r.query.Has("online") {
		if r.query.Get("online") != "true" {
			return parse.BadRequest("online", "it must be true; without the parameter, offline users are listed as well")
		}
		q.Online = true
	}
	users, next, err := a.srv.Users(r.Context(), q)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		Users []wirepost.UserEntry `json:"users"`
		Next  string               `json:"next"`
	}{append([]wirepost.UserEntry{}, users...), next})
}

// channels is GET /v1/channels.
func (a *api) channels(w http.ResponseWriter, r *request) error {
	q, err := r.listQuery()
	if err != nil {
		return err
	}
	channels, next, err := a.srv.Channels(r.Context(), q)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		Channels []wirepost.ChannelEntry `json:"channels"`
		Next     string                  `json:"next"`
	}{append([]wirepost.ChannelEntry{}, channels...), next})
}

// listQuery reads the parameters of a list of names.
func (r *request) listQuery() (wirepost.ListQuery, error) {
	limit, err := r.number("limit", defaultLimit, 1, maxLimit)
	return wirepost.ListQuery{Prefix: r.query.Get("prefix"), After: r.query.Get("after"), Limit: int(limit)}, err
}
