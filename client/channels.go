package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/wirepost/wirepost/internal/wire"
)

// Channel describes a channel. One that was never used has no messages.
func (b *Backend) Channel(ctx context.Context, channel string, options ...ReadOption) (info ChannelInfo, err error) {
	query := read(url.Values{}, options)
	err = b.repeat(ctx, call{method: http.MethodGet, path: resource("v1/channels", channel), query: query, result: &info})
	return info, err
}

// Messages lists the live messages of a channel after a sequence, oldest first, at
// most limit of them (1 to 1000; 0 means 100). Next is the after of the next page; an
// empty list means that there are no more.
func (b *Backend) Messages(ctx context.Context, channel string, after uint64, limit int, options ...ReadOption) (list []*Message, next uint64, err error) {
	return b.list(ctx, resource("v1/channels", channel, "messages"), "after", after, limit, options)
}

// History is Messages backwards: the live messages before a sequence, newest first. A
// sequence above the head, such as math.MaxUint64, means all of them. Next is the before of
// the next page.
func (b *Backend) History(ctx context.Context, channel string, before uint64, limit int, options ...ReadOption) (list []*Message, next uint64, err error) {
	return b.list(ctx, resource("v1/channels", channel, "messages"), "before", before, limit, options)
}

// Presence returns how many users are present in a channel whose policy has presence, and
// the first 1000 of them.
func (b *Backend) Presence(ctx context.Context, channel string) (count int, users []PresentUser, err error) {
	var result struct {
		Count int           `json:"count"`
		Users []PresentUser `json:"users"`
	}
	err = b.repeat(ctx, call{method: http.MethodGet, path: resource("v1/channels", channel, "presence"), result: &result})
	return result.Count, result.Users, err
}

// list reads one page of messages.
func (b *Backend) list(ctx context.Context, path, direction string, from uint64, limit int, options []ReadOption) (list []*Message, next uint64, err error) {
	query := read(url.Values{direction: {strconv.FormatUint(from, 10)}}, options)
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	var page struct {
		Messages []json.RawMessage `json:"messages"`
		Next     uint64            `json:"next"`
	}
	if err := b.repeat(ctx, call{method: http.MethodGet, path: path, query: query, result: &page}); err != nil {
		return nil, 0, err
	}
	for _, text := range page.Messages {
		m, err := parseMessage(text)
		if err != nil {
			return nil, 0, err
		}
		list = append(list, m)
	}
	return list, page.Next, nil
}

func parseMessage(text json.RawMessage) (*Message, error) {
	f, err := wire.ParseFrame(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	m, err := newMessage(f)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return m, nil
}

// Message returns a live message of a channel, and how far it came on each device of
// each user that it is for. ErrNotFound means that there is no such live message. With
// ErrIncomplete, what a node of the cluster has sent may be reported as stored.
func (b *Backend) Message(ctx context.Context, channel string, seq uint64, options ...ReadOption) (*Message, []Receipt, error) {
	var result struct {
		Message    json.RawMessage `json:"message"`
		Receipts   []Receipt       `json:"receipts"`
		Incomplete bool            `json:"incomplete"`
	}
	query := read(url.Values{}, options)
	if err := b.repeat(ctx, call{method: http.MethodGet, path: messagePath(channel, seq), query: query, result: &result}); err != nil {
		return nil, nil, err
	}
	m, err := parseMessage(result.Message)
	if err != nil {
		return nil, nil, err
	}
	return m, result.Receipts, incomplete(nil, result.Incomplete)
}

// Revoke removes a message from a channel and has it withdrawn from the clients that
// have it, by a record that follows in the channel. ErrNotFound means that there is no
// such live message.
func (b *Backend) Revoke(ctx context.Context, channel string, seq uint64) (Revoked, error) {
	var result struct {
		Channel string `json:"channel"`
		Seq     uint64 `json:"seq"`
		Revoked uint64 `json:"revoked"`
		ID      string `json:"id"`
	}
	err := b.send(ctx, call{method: http.MethodDelete, path: messagePath(channel, seq), result: &result})
	return Revoked(result), err
}

func messagePath(channel string, seq uint64) string {
	return resource("v1/channels", channel, "messages", strconv.FormatUint(seq, 10))
}

// Empty removes all messages of a channel. The sequences of later ones continue; a
// client that did not have them all gets a Gap.
func (b *Backend) Empty(ctx context.Context, channel string) error {
	return b.send(ctx, call{method: http.MethodDelete, path: resource("v1/channels", channel)})
}
