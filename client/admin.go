package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/wirepost/wirepost/internal/wire"
)

// UserInfo is what the server knows of a user.
type UserInfo struct {
	User     string                 `json:"user"`
	Online   int                    `json:"online"` // connections
	Sessions []Session              `json:"sessions"`
	Channels map[string]ChannelInfo `json:"channels"` // the inbox, all, and memberships
}

// Session is one connection of a user.
type Session struct {
	Connection string `json:"connection"`
	Device     string `json:"device"`
	Since      int64  `json:"since"` // ms since the epoch
	Address    string `json:"address"`
	Agent      string `json:"agent"`
	Mode       string `json:"mode"`
}

// ChannelInfo is where a user stands in a channel.
type ChannelInfo struct {
	Head    uint64            `json:"head"`
	Read    uint64            `json:"read"`
	Unread  int               `json:"unread"`
	Devices map[string]uint64 `json:"devices"` // what each has acknowledged
}

// User asks who is connected as a user, and how far the user is.
func (p *Pusher) User(ctx context.Context, user string) (info UserInfo, err error) {
	err = p.again(ctx, http.MethodGet, "/v1/users/"+url.PathEscape(user), nil, &info)
	return info, err
}

// Disconnect closes the connections of a user with 4409, or one of them by its
// name; "" means all. It tells how many there were.
func (p *Pusher) Disconnect(ctx context.Context, user, connection string) (n int, err error) {
	path := "/v1/users/" + url.PathEscape(user) + "/sessions"
	if connection != "" {
		path += "?connection=" + url.QueryEscape(connection)
	}
	var answer struct {
		Disconnected int `json:"disconnected"`
	}
	err = p.do(ctx, http.MethodDelete, path, nil, &answer) // once: a repeat may find none
	return answer.Disconnected, err
}

// Join makes a user a member of a channel, from its head on. To repeat it changes
// nothing.
func (p *Pusher) Join(ctx context.Context, user, channel string) error {
	return p.again(ctx, http.MethodPut, membership(user, channel), nil, nil)
}

// Leave ends a membership; a *RefusedError with status 404 says that there is none.
func (p *Pusher) Leave(ctx context.Context, user, channel string) error {
	return p.do(ctx, http.MethodDelete, membership(user, channel), nil, nil)
}

func membership(user, channel string) string {
	return "/v1/users/" + url.PathEscape(user) + "/channels/" + url.PathEscape(channel)
}

// Messages lists the live messages of a channel after a sequence, oldest first, at
// most limit (1 to 1000; 0 means 100). Next is the after of the next page; an empty
// list is the end.
func (p *Pusher) Messages(ctx context.Context, channel string, after uint64, limit int) (list []*Message, next uint64, err error) {
	path := fmt.Sprintf("/v1/channels/%s/messages?after=%d", url.PathEscape(channel), after)
	if limit != 0 {
		path += fmt.Sprintf("&limit=%d", limit)
	}
	var answer struct {
		Messages []json.RawMessage `json:"messages"`
		Next     uint64            `json:"next"`
	}
	if err := p.again(ctx, http.MethodGet, path, nil, &answer); err != nil {
		return nil, 0, err
	}
	for _, text := range answer.Messages {
		f, err := wire.ParseFrame(text)
		if err != nil {
			return nil, 0, fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		m, err := newMessage(f)
		if err != nil {
			return nil, 0, fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		list = append(list, m)
	}
	return list, answer.Next, nil
}

// Revoke takes a message back; a *RefusedError with status 404 says that there is
// no such live one.
func (p *Pusher) Revoke(ctx context.Context, channel string, seq uint64) error {
	path := fmt.Sprintf("/v1/channels/%s/messages/%d", url.PathEscape(channel), seq)
	return p.do(ctx, http.MethodDelete, path, nil, nil)
}
