package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// User describes a user: the open connections, and the state of the inbox and of
// every membership. A user that the server does not know has none.
func (b *Backend) User(ctx context.Context, user string) (info UserInfo, err error) {
	err = b.repeat(ctx, call{method: http.MethodGet, path: resource("v1/users", user), result: &info})
	return info, err
}

// Inbox lists the live messages of a user's inbox, as Messages does.
func (b *Backend) Inbox(ctx context.Context, user string, after uint64, limit int, options ...ReadOption) (list []*Message, next uint64, err error) {
	return b.list(ctx, resource("v1/users", user, "messages"), "after", after, limit, options)
}

// MarkRead moves a user's read mark in a channel forward and returns where it is then,
// and how many live messages come after it. A sequence above the channel's head means
// the head; one below the mark changes nothing. The channel "" is the user's inbox;
// ErrNotFound means that the user is not a member of another one.
func (b *Backend) MarkRead(ctx context.Context, user, channel string, seq uint64) (read uint64, unread int, err error) {
	body, err := json.Marshal(struct {
		Channel string `json:"channel,omitempty"`
		Seq     uint64 `json:"seq"`
	}{channel, seq})
	if err != nil {
		return 0, 0, err
	}
	var result struct {
		Read   uint64 `json:"read"`
		Unread int    `json:"unread"`
	}
	err = b.repeat(ctx, call{
		method: http.MethodPost, path: resource("v1/users", user, "read"), body: body, result: &result,
	})
	return result.Read, result.Unread, err
}

// Join makes a user a member of a channel, beginning at its head, and returns the
// state of the membership. If the user is a member it changes nothing.
func (b *Backend) Join(ctx context.Context, user, channel string) (state ChannelState, err error) {
	err = b.repeat(ctx, call{method: http.MethodPut, path: membership(user, channel), result: &state})
	return state, err
}

// Leave ends a membership; ErrNotFound means that there is none.
func (b *Backend) Leave(ctx context.Context, user, channel string) error {
	return b.send(ctx, call{method: http.MethodDelete, path: membership(user, channel)})
}

func membership(user, channel string) string {
	return resource("v1/users", user, "channels", channel)
}

// Disconnect closes the connections of a user with 4409, or only the one with this
// name; "" means all. It returns how many there were; ErrNotFound means that there is
// no connection with the name. The clients do not reconnect by themselves. With
// ErrIncomplete, the connections to a node of the cluster that did not answer may be open.
func (b *Backend) Disconnect(ctx context.Context, user, connection string) (n int, err error) {
	query := url.Values{}
	if connection != "" {
		query.Set("connection", connection)
	}
	var result disconnected
	err = b.send(ctx, sessionsOf(user, query, &result))
	return result.Disconnected, incomplete(err, result.Incomplete)
}

// RevokeTokens has the server refuse, for good, the tokens of a user that were issued
// before a time, and closes the connections that were made with them (4401). It
// returns how many these were at the last attempt. The time is not in the future, and
// counts in whole seconds: a token issued in the same second is refused, too. With
// ErrIncomplete, those to a node of the cluster that did not answer are not counted.
func (b *Backend) RevokeTokens(ctx context.Context, user string, before time.Time) (n int, err error) {
	query := url.Values{"revoke_before": {strconv.FormatInt(before.UnixMilli(), 10)}}
	var result disconnected
	err = b.repeat(ctx, sessionsOf(user, query, &result))
	return result.Disconnected, incomplete(err, result.Incomplete)
}

type disconnected struct {
	Disconnected int  `json:"disconnected"`
	Incomplete   bool `json:"incomplete"`
}

func sessionsOf(user string, query url.Values, result *disconnected) call {
	return call{method: http.MethodDelete, path: resource("v1/users", user, "sessions"), query: query, result: result}
}
