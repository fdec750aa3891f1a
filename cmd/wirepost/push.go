package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/httpapi"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/wire"
)

// pushCommand is `wirepost push`.
type pushCommand struct {
	cluster
	Channel string `arg:"" optional:"" help:"Channel, or user:NAME for a user."`
	Data    string `arg:"" optional:"" help:"Data; - reads it from standard input."`

	APIKey       string   `name:"api-key" placeholder:"KEY" variable:"WIREPOST_API_KEY" help:"The API key, if the server requires one."`
	ContentType  string   `placeholder:"TYPE" help:"Content type (default: application/json for a JSON object or array, else text)."`
	ID           string   `name:"id" placeholder:"ID" help:"ID that makes the push idempotent: a repeat within 24 hours has no effect."`
	Key          string   `placeholder:"KEY" help:"Replace the earlier message with this key."`
	TTL          duration `name:"ttl" placeholder:"TIME" help:"Time to live."`
	At           instant  `placeholder:"TIME" help:"When to push, at most a year ahead: RFC 3339 (2026-12-24T18:00:00+01:00), or milliseconds since 1970."`
	Delay        duration `placeholder:"TIME" help:"How long to wait before pushing."`
	Exact        bool     `help:"Push to CHANNEL as it is, although it looks like the name of a user."`
	Escalate     []step   `placeholder:"TIME:VIA" help:"What to do if no device has acknowledged by then, such as 30s:webpush or 10m:event; repeatable."`
	Until        string   `placeholder:"STATE" help:"What stops it: acknowledged (default) or read."`
	Notification string   `placeholder:"JSON" help:"What Web Push shows: an object with title, body, icon, url."`
	JSON         bool     `name:"json" help:"Print the server's response as JSON."`
	NDJSON       bool     `name:"ndjson" help:"Read many pushes from standard input, one JSON object per line as in POST /v1/push; CHANNEL applies to lines without \"to\"."`
}

// Run pushes.
func (c *pushCommand) Run(ctx context.Context, t *terminal) error {
	c.APIKey = keyFor(c.APIKey, httpapi.Push)
	if c.NDJSON {
		return c.runBulk(ctx, t)
	}
	if c.Channel == "" || c.Data == "" {
		return usagef("push needs a channel and data: wirepost push user:42 hello, or - to read standard input")
	}
	if names.LikeUser(c.Channel) && !c.Exact {
		return usagef("%[1]s is a channel, not a user: did you mean user:%[1]s? (--exact pushes to the channel)", c.Channel)
	}
	data := []byte(c.Data)
	if c.Data == "-" {
		var err error
		if data, err = io.ReadAll(t.In); err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
	}
	push, err := c.push(data)
	if err != nil {
		return err
	}
	servers := c.at("", nil)
	backend, err := client.NewBackend(servers[0], client.BackendOptions{
		Key: c.APIKey, Nodes: servers[1:], InOrder: true, Attempts: len(servers), Timeout: responseTimeout,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(servers))*responseTimeout)
	defer cancel()
	pushed, err := backend.Push(ctx, push)
	if err != nil {
		return fmt.Errorf("push to %s: %w", c.Channel, wordDialError(err))
	}
	return c.print(t, pushed)
}

// push builds the push and rejects what the server would refuse.
func (c *pushCommand) push(data []byte) (client.Push, error) {
	p := client.Push{
		To: c.Channel, Data: data, ContentType: c.ContentType, ID: c.ID, Key: c.Key, TTL: time.Duration(c.TTL),
		At: time.Time(c.At), Delay: time.Duration(c.Delay), Until: client.EscalationUntil(c.Until),
	}
	for _, s := range c.Escalate {
		p.Escalate = append(p.Escalate, client.EscalationStep(s))
	}
	if c.Notification != "" {
		if !json.Valid([]byte(c.Notification)) {
			return p, usagef("--notification is not valid JSON")
		}
		p.Notification = json.RawMessage(c.Notification)
	}
	if p.ContentType == "" {
		p.ContentType = guessType(data)
	}
	switch kind := wire.KindOf(p.ContentType); {
	case kind == wire.JSON && !json.Valid(data):
		return p, usagef("the data is not valid JSON, which %s requires", p.ContentType)
	case kind == wire.Text && !utf8.Valid(data):
		return p, usagef("the data is not valid UTF-8, which %s requires", p.ContentType)
	}
	return p, nil
}

// guessType returns the content type of data if none is given.
func guessType(data []byte) string {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') && json.Valid(data):
		return wire.JSONType
	case utf8.Valid(data):
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

func (c *pushCommand) print(t *terminal, p client.PushResult) error {
	if !c.JSON {
		_, err := fmt.Fprintln(t.Out, wordPushed(p))
		return err
	}
	result := map[string]any{"messages": []client.PushResult{p}}
	if !p.At.IsZero() {
		result = map[string]any{"scheduled": []any{map[string]any{"to": p.To, "id": p.ID, "at": p.At.UnixMilli()}}}
	}
	text, err := json.Marshal(result)
	if err == nil {
		_, err = fmt.Fprintf(t.Out, "%s\n", text)
	}
	return err
}

// wordPushed describes the result of a push.
func wordPushed(p client.PushResult) string {
	if !p.At.IsZero() {
		s := fmt.Sprintf("%s id %s: scheduled for %s", printable(p.To), printable(p.ID), p.At.Local().Format(time.RFC3339Nano))
		if p.Duplicate {
			s += " (duplicate: it was scheduled, or pushed, already)"
		}
		return s
	}
	s := fmt.Sprintf("%s seq %d id %s: ", printable(p.To), p.Seq, printable(p.ID))
	switch p.Online {
	case 0:
		s += "stored, no connections"
	case 1:
		s += "stored, 1 connection"
	default:
		s += fmt.Sprintf("stored, %d connections", p.Online)
	}
	if p.Duplicate {
		s += " (duplicate: already stored)"
	}
	return s
}
