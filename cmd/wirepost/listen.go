package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost/internal/wire"
)

// listenCommand is `wirepost listen`.
type listenCommand struct {
	target
	User    string   `placeholder:"NAME" help:"The user, with a server in dev mode."`
	Token   string   `placeholder:"TOKEN" variable:"WIREPOST_TOKEN" help:"The user's token, with any other."`
	Device  string   `placeholder:"NAME" help:"Which of the user's devices this is: each gets every message once."`
	Channel []string `placeholder:"NAME" help:"Channel to subscribe to besides; repeatable."`
	After   string   `placeholder:"SEQ" help:"Begin after this sequence of the inbox, or CHANNEL=SEQ,…, instead of where the device was."`
	JSON    bool     `name:"json" help:"Print each message as one line of JSON; gaps and revocations too."`
}

// Run follows until it is interrupted.
func (c *listenCommand) Run(ctx context.Context, t *terminal) error {
	if c.User == "" && c.Token == "" {
		return usagef("listen needs --user NAME with a server in dev mode, else --token (wirepost token makes one)")
	}
	f := &follower{
		listenCommand: c, terminal: t,
		place: place{channels: c.Channel, after: c.After},
	}
	return f.follow(ctx)
}

// address is where to connect, from a place on.
func (c *listenCommand) address(after string) string {
	query := url.Values{}
	for name, value := range map[string]string{
		"user": c.User, "device": c.Device, "channels": strings.Join(c.Channel, ","), "after": after,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	return c.socketAt("/ws", query)
}

func (c *listenCommand) header() http.Header {
	h := http.Header{}
	if c.Token != "" {
		h.Set("Authorization", "Bearer "+c.Token)
	}
	return h
}

// event is a frame that is shown: a message, a revocation or a gap.
type event struct {
	Type        string          `json:"type"`
	Channel     string          `json:"channel"`
	Seq         uint64          `json:"seq"`
	ContentType string          `json:"content_type"`
	Data        json.RawMessage `json:"data"`
	DataBase64  string          `json:"data_base64"`
	From        string          `json:"from"`
	After       uint64          `json:"after"`      // of a gap
	ResumedAt   uint64          `json:"resumed_at"` // of a gap
	Revoked     uint64          `json:"revoked"`    // of a revocation
}

// show prints a frame: messages to the output, the rest beside it, and with
// --json everything to the output as it came.
func (c *listenCommand) show(t *terminal, e *event, frame []byte) error {
	if c.JSON {
		_, err := fmt.Fprintf(t.Out, "%s\n", frame)
		return err
	}
	switch e.Type {
	case "gap":
		t.warnf("gap in %s: what came after %d is gone, it goes on at %d", printable(e.Channel), e.After, e.ResumedAt)
		return nil
	case "revoke":
		t.warnf("%s %d was revoked", printable(e.Channel), e.Revoked)
		return nil
	}
	from := ""
	if e.From != "" {
		from = " from " + printable(e.From)
	}
	_, err := fmt.Fprintf(t.Out, "[%s %d%s] %s\n", printable(e.Channel), e.Seq, from, e.text())
	return err
}

// text shows the data in one line.
func (e *event) text() string {
	switch wire.KindOf(e.ContentType) {
	case wire.JSON:
		return printable(string(e.Data))
	case wire.Text:
		var s string
		if json.Unmarshal(e.Data, &s) == nil {
			return printable(s)
		}
	}
	data, err := base64.StdEncoding.DecodeString(e.DataBase64)
	if err != nil || !utf8.Valid(data) {
		return fmt.Sprintf("<%d bytes of %s>", len(data), printable(e.ContentType))
	}
	return printable(string(data))
}

// backoff is how long to wait before connecting again: random from the whole
// range, so that clients that were cut off together do not come together.
type backoff struct{ attempt int }

const (
	firstWait = time.Second
	maxWait   = 30 * time.Second
)

// next gives the wait; random has the range [0,1).
func (b *backoff) next(random float64) time.Duration {
	limit := min(firstWait<<min(b.attempt, 10), maxWait)
	b.attempt++
	return time.Duration(random * float64(limit))
}
