package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/internal/wire"
)

// listenCommand is `wirepost listen`.
type listenCommand struct {
	cluster
	User    string   `placeholder:"NAME" help:"The user, for a server in dev mode."`
	Token   string   `placeholder:"TOKEN" variable:"WIREPOST_TOKEN" help:"The user's token, for any other server."`
	Device  string   `placeholder:"NAME" help:"Device name: each device gets every message once."`
	Channel []string `placeholder:"NAME" help:"Additional channel to subscribe to; repeatable."`
	After   string   `placeholder:"SEQ" help:"Start after this sequence of the inbox, or CHANNEL=SEQ,…, instead of the device's cursor."`
	JSON    bool     `name:"json" help:"Print each message, gap and revocation as one line of JSON."`
}

// Run prints messages until it is interrupted.
func (c *listenCommand) Run(ctx context.Context, t *terminal) error {
	if c.User == "" && c.Token == "" {
		return usagef("listen needs --user NAME for a server in dev mode, or --token (create one with wirepost token)")
	}
	o, err := c.options(t)
	if err != nil {
		return err
	}
	return c.follow(ctx, t, o)
}

func (c *listenCommand) options(t *terminal) (client.Options, error) {
	after, err := parseAfter(c.After)
	o := client.Options{
		Device: c.Device, Channels: c.Channel, After: after,
		OnEvent: func(e client.Event) { c.tell(t, e) },
	}
	if c.Token != "" {
		o.Token = client.StaticToken(c.Token)
	}
	return o, err
}

// parseAfter parses a sequence of the inbox, or channel=seq,…; a channel name may
// contain "=".
func parseAfter(text string) (map[string]uint64, error) {
	if text == "" {
		return nil, nil
	}
	after := map[string]uint64{}
	for entry := range strings.SplitSeq(text, ",") {
		at := strings.LastIndexByte(entry, '=')
		seq, err := strconv.ParseUint(entry[at+1:], 10, 64)
		if err != nil || at < 0 && entry != text {
			return nil, usagef("--after %s: a sequence of the inbox, or CHANNEL=SEQ,…", text)
		}
		after[entry[:max(at, 0)]] = seq
	}
	return after, nil
}

// follow prints messages; each is acknowledged after it is printed.
func (c *listenCommand) follow(ctx context.Context, t *terminal, o client.Options) error {
	query := url.Values{}
	if c.User != "" {
		query.Set("user", c.User)
	}
	urls := c.at("/ws", query)
	o.Nodes, o.InOrder = urls[1:], true
	conn, err := client.Dial(ctx, urls[0], o)
	if err != nil {
		return c.wordEnd(ctx, err)
	}
	defer conn.Close() //nolint:errcheck // it keeps nothing
	for msg, err := range conn.Messages(ctx) {
		if err == nil {
			err = c.show(t, msg)
		}
		if err != nil {
			return c.wordEnd(ctx, err)
		}
	}
	return nil
}

// wordEnd describes why the client stopped; an interrupt is not an error.
func (c *listenCommand) wordEnd(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*client.RefusedError](err)
	switch {
	case ctx.Err() != nil:
		return nil
	case ok && (refused.Status < 400 || refused.Status == http.StatusNotFound):
		return fmt.Errorf("%w instead of opening a WebSocket: %s is not a Wirepost server", printableError(err), c.names())
	case ok && refused.Status == http.StatusUnauthorized && c.Token == "":
		return fmt.Errorf("%w (--user is for servers in dev mode; others need --token)", err)
	}
	return printableError(err)
}

// printableError makes an error safe for a terminal, because it may contain text
// from a server.
func printableError(err error) error {
	return errors.New(printable(wordDialError(err).Error()))
}

// tell prints events: to standard error, or, with --json, gaps and revocations as
// part of the output.
func (c *listenCommand) tell(t *terminal, e client.Event) {
	switch e := e.(type) {
	case client.Connected:
		if e.NewStore {
			t.warnf("the server's store was replaced: starting from the beginning")
		}
		t.warnf("connected as %s, %d unread", printable(e.User), e.Unread)
	case client.Disconnected:
		t.warnf("%v; reconnecting in %s", printableError(e.Err), e.Retry.Round(time.Millisecond))
	case client.Unsubscribed:
		if e.Err != nil {
			t.warnf("no longer subscribed to %s: %v", printable(e.Channel), printableError(e.Err))
		}
	case client.Gap:
		if c.JSON {
			c.printJSON(t, wire.Gap{Type: "gap", Channel: e.Channel, After: e.After, ResumedAt: e.ResumedAt})
			return
		}
		t.warnf("gap in %s: messages after %d were removed, resuming at %d", printable(e.Channel), e.After, e.ResumedAt)
	case client.Revoked:
		if c.JSON {
			c.printJSON(t, wire.Revoke{Type: "revoke", Channel: e.Channel, Seq: e.Seq, Revoked: e.Revoked, ID: e.ID})
			return
		}
		t.warnf("%s %d was revoked", printable(e.Channel), e.Revoked)
	}
}

func (c *listenCommand) printJSON(t *terminal, object any) error {
	text, err := json.Marshal(object)
	if err == nil {
		_, err = fmt.Fprintf(t.Out, "%s\n", text)
	}
	return err
}

// show prints a message.
func (c *listenCommand) show(t *terminal, m *client.Message) error {
	if c.JSON {
		return c.printJSON(t, m)
	}
	from := ""
	if m.From != "" {
		from = " from " + printable(m.From)
	}
	_, err := fmt.Fprintf(t.Out, "[%s %d%s] %s\n", printable(m.Channel), m.Seq, from, dataOf(m))
	return err
}

// dataOf returns the data on one line.
func dataOf(m *client.Message) string {
	if wire.KindOf(m.ContentType) == wire.Binary && !utf8.Valid(m.Data) {
		return fmt.Sprintf("<%d bytes of %s>", len(m.Data), printable(m.ContentType))
	}
	return printable(string(m.Data))
}
