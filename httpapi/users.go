package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/httpapi/internal/parse"
)

// user is GET /v1/users/{user}.
func (a *api) user(w http.ResponseWriter, r *request) error {
	info, err := a.userInfo(r.Context(), r.user)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, info)
}

// userInfo describes a user, with an empty list or object instead of null.
func (a *api) userInfo(ctx context.Context, user string) (wirepost.UserInfo, error) {
	if err := wirepost.CheckUser(user); err != nil {
		return wirepost.UserInfo{}, err
	}
	info, err := a.srv.User(ctx, user)
	if info.Sessions == nil {
		info.Sessions = []wirepost.Session{}
	}
	if info.Channels == nil {
		info.Channels = map[string]wirepost.UserChannel{}
	}
	for channel, place := range info.Channels {
		if place.Devices == nil {
			place.Devices = map[string]uint64{}
			info.Channels[channel] = place
		}
	}
	return info, err
}

// disconnect is DELETE /v1/users/{user}/sessions.
func (a *api) disconnect(w http.ResponseWriter, r *request) error {
	if err := wirepost.CheckUser(r.user); err != nil {
		return err
	}
	connection, err := r.narrow("connection", "all are disconnected")
	if err != nil {
		return err
	}
	var n int
	if r.query.Has("revoke_before") {
		n, err = a.revokeTokens(r, a.srv.Now())
	} else {
		n, err = a.srv.Disconnect(r.Context(), r.user, connection)
	}
	incomplete := errors.Is(err, wirepost.ErrIncomplete)
	if err != nil && !incomplete {
		return err
	}
	return writeJSON(w, http.StatusOK, disconnected{n, incomplete})
}

// revokeTokens revokes the tokens from before a time, and disconnects the sessions that
// have one.
func (a *api) revokeTokens(r *request, now time.Time) (int, error) {
	if r.query.Has("connection") {
		return 0, parse.BadRequest("connection", "tokens are revoked for all connections of the user, not for one")
	}
	before, err := parseMoment("revoke_before", r.query.Get("revoke_before"), now)
	if err != nil {
		return 0, err
	}
	return a.srv.RevokeTokens(r.Context(), r.user, before)
}

// clockSkew is by how much the clock of a backend may be ahead.
const clockSkew = time.Minute

// parseMoment reads a time that is not in the future: "now", milliseconds since 1970, or
// RFC 3339. A time in the future would lock a user out, and could not be undone.
func parseMoment(field, s string, now time.Time) (time.Time, error) {
	if s == "now" {
		return now, nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if ms, notNumber := strconv.ParseInt(s, 10, 64); notNumber == nil {
		at, err = time.UnixMilli(ms), nil
	}
	switch {
	case err != nil:
		return at, parse.BadRequest(field, "%q is not a time: use now, milliseconds since 1970, or RFC 3339 such as 2026-11-21T09:30:00Z", parse.Shorten(s))
	case at.Year() < 1980: // a number of seconds, for example
		return at, parse.BadRequest(field, "%s is before 1980: a number must be milliseconds since 1970", at.UTC().Format(time.RFC3339))
	case at.After(now.Add(clockSkew)):
		return at, parse.BadRequest(field, "%s is in the future", at.UTC().Format(time.RFC3339))
	}
	return at, nil
}

type disconnected struct {
	Disconnected int  `json:"disconnected"`
	Incomplete   bool `json:"incomplete,omitempty"` // a node of the cluster did not answer
}

// inbox is GET /v1/users/{user}/messages.
func (a *api) inbox(w http.ResponseWriter, r *request) error {
	if err := wirepost.CheckUser(r.user); err != nil {
		return err
	}
	return a.list(w, r, wirepost.InboxOf(r.user))
}

// markRead is POST /v1/users/{user}/read.
func (a *api) markRead(w http.ResponseWriter, r *request) error {
	if err := wirepost.CheckUser(r.user); err != nil {
		return err
	}
	mark := readRequest{channel: wirepost.InboxOf(r.user)}
	if err := readJSON(w, r, mark.member); err != nil {
		return err
	}
	if !mark.given {
		return parse.BadRequest("seq", "the sequence is needed through which everything is read")
	}
	if err := wirepost.CheckChannel(mark.channel); err != nil {
		return err
	}
	read, unread, err := a.srv.MarkRead(r.Context(), r.user, mark.channel, mark.seq)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, readAnswer{read, unread})
}

// readRequest is the body of a read.
type readRequest struct {
	seq     uint64
	given   bool
	channel string
}

func (m *readRequest) member(name string, value json.RawMessage) (err error) {
	switch name {
	case "seq":
		m.given = true
		m.seq, err = parse.Uint(name, value)
	case "channel":
		m.channel, err = parse.Text(name, value)
	default:
		err = parse.ErrUnknown
	}
	return err
}

type readAnswer struct {
	Read   uint64 `json:"read"`
	Unread int    `json:"unread"`
}

// join is PUT /v1/users/{user}/channels/{channel}.
func (a *api) join(w http.ResponseWriter, r *request) error {
	if err := checkNames(r); err != nil {
		return err
	}
	if err := a.srv.Join(r.Context(), r.user, r.channel); err != nil {
		return err
	}
	info, err := a.userInfo(r.Context(), r.user)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, membership{r.channel, info.Channels[r.channel]})
}

// membership is the state of a user in a channel.
type membership struct {
	Channel string `json:"channel"`
	wirepost.UserChannel
}

// leave is DELETE /v1/users/{user}/channels/{channel}.
func (a *api) leave(w http.ResponseWriter, r *request) error {
	if err := checkNames(r); err != nil {
		return err
	}
	if err := a.srv.Leave(r.Context(), r.user, r.channel); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func checkNames(r *request) error {
	if err := wirepost.CheckUser(r.user); err != nil {
		return err
	}
	return wirepost.CheckChannel(r.channel)
}
