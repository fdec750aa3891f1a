package httpapi

import (
	"encoding/json"
	"net/http"

	"github.com/wirepost/wirepost"
)

// user is GET /v1/users/{user}.
func (a *api) user(w http.ResponseWriter, r *request) error {
	info, err := a.userInfo(r.user)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, info)
}

// userInfo never has null where a list or an object belongs.
func (a *api) userInfo(user string) (wirepost.UserInfo, error) {
	if err := wirepost.CheckUser(user); err != nil {
		return wirepost.UserInfo{}, err
	}
	info, err := a.srv.User(user)
	if info.Sessions == nil {
		info.Sessions = []wirepost.Session{}
	}
	if info.Channels == nil {
		info.Channels = map[string]wirepost.UserPlace{}
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
	connection := r.query.Get("connection")
	if connection == "" && r.query.Has("connection") {
		return badRequest("connection", "the parameter names no connection; without it, all are disconnected")
	}
	n, err := a.srv.Disconnect(r.user, connection)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, disconnected{n})
}

type disconnected struct {
	Disconnected int `json:"disconnected"`
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
		return badRequest("seq", "the sequence is needed through which everything is read")
	}
	if err := wirepost.CheckChannel(mark.channel); err != nil {
		return err
	}
	read, unread, err := a.srv.MarkRead(r.user, mark.channel, mark.seq)
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
		m.seq, err = uintField(name, value)
	case "channel":
		m.channel, err = text(name, value)
	default:
		err = errUnknown
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
	if err := a.srv.Join(r.user, r.channel); err != nil {
		return err
	}
	info, err := a.userInfo(r.user)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, membership{r.channel, info.Channels[r.channel]})
}

// membership is where a user stands in a channel.
type membership struct {
	Channel string `json:"channel"`
	wirepost.UserPlace
}

// leave is DELETE /v1/users/{user}/channels/{channel}.
func (a *api) leave(w http.ResponseWriter, r *request) error {
	if err := checkNames(r); err != nil {
		return err
	}
	if err := a.srv.Leave(r.user, r.channel); err != nil {
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
