package wirepost

import (
	"context"
	"encoding/json"
	"time"

	"github.com/wirepost/wirepost/internal/fault"
)

// MaxListed is the most users that Presence lists.
const MaxListed = 1000

// Presence is who is present in a channel: the users with a connection that is subscribed.
// A user whose connection was lost is present for 5 s more.
type Presence struct {
	Count int           `json:"count"` // of users
	Users []PresentUser `json:"users"` // the first MaxListed of them
}

// PresentUser is a user who is present in a channel. In JSON, Since is in milliseconds since
// the Unix epoch.
type PresentUser struct {
	User  string
	Info  json.RawMessage // Identity.Info; nil if there is none
	Since time.Time       // when the user became present
}

type presentUserJSON struct {
	User  string          `json:"user"`
	Info  json.RawMessage `json:"info,omitempty"`
	Since int64           `json:"since"`
}

// MarshalJSON writes the form that the HTTP API uses.
func (u PresentUser) MarshalJSON() ([]byte, error) {
	return json.Marshal(presentUserJSON{u.User, u.Info, u.Since.UnixMilli()})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (u *PresentUser) UnmarshalJSON(text []byte) error {
	var form presentUserJSON
	err := json.Unmarshal(text, &form)
	*u = PresentUser{form.User, form.Info, time.UnixMilli(form.Since)}
	return err
}

// Presence returns who is present in a channel whose policy has Presence; otherwise the
// error is ErrBadRequest. In a cluster, it includes the users of the other nodes as those
// announced them: it may be off for a moment.
func (s *Server) Presence(ctx context.Context, channel string) (Presence, error) {
	if err := checkChannel(ctx, channel); err != nil {
		return Presence{}, err
	}
	if err := s.host.Policies.CheckPresence(channel); err != nil {
		return Presence{}, fieldError("channel", "%s", fault.As(err).Message)
	}
	count, list := s.host.Presence.In(channel)
	p := Presence{Count: count, Users: make([]PresentUser, len(list))}
	for i, u := range list {
		p.Users[i] = PresentUser{u.User, u.Info, time.UnixMilli(u.Since)}
	}
	return p, nil
}
