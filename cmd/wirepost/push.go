package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost/internal/wire"
)

// pushCommand is `wirepost push`.
type pushCommand struct {
	target
	Channel string `arg:"" optional:"" help:"Where to: a channel, or user:NAME for a user."`
	Data    string `arg:"" optional:"" help:"What; - reads it from standard input."`

	APIKey      string   `name:"api-key" placeholder:"KEY" variable:"WIREPOST_API_KEY" help:"The key, if the server asks for one."`
	ContentType string   `placeholder:"TYPE" help:"What the data is (default: application/json for a JSON object or array, else text)."`
	ID          string   `name:"id" placeholder:"ID" help:"Makes the push idempotent: the same one again changes nothing for 24 hours."`
	Key         string   `placeholder:"KEY" help:"Replace the earlier message with this key."`
	TTL         duration `name:"ttl" placeholder:"TIME" help:"How long the message is worth delivering."`
	JSON        bool     `name:"json" help:"Print the server's answer as JSON."`
	NDJSON      bool     `name:"ndjson" help:"Read many pushes from standard input, one JSON object a line as in POST /v1/push; CHANNEL is for lines without \"to\"."`
}

// pushed is the server's answer for one target.
type pushed struct {
	To        string `json:"to"`
	ID        string `json:"id"`
	Seq       uint64 `json:"seq"`
	Online    int    `json:"online"`
	Duplicate bool   `json:"duplicate"`
}

// Run pushes.
func (c *pushCommand) Run(ctx context.Context, t *terminal) error {
	// One variable holds the keys that serve accepts; any of them will do.
	c.APIKey, _, _ = strings.Cut(c.APIKey, ",")
	if c.NDJSON {
		return c.runBulk(ctx, t)
	}
	if c.Channel == "" || c.Data == "" {
		return usagef("push needs a channel and data: wirepost push user:42 hello, or - to read standard input")
	}
	data := []byte(c.Data)
	if c.Data == "-" {
		var err error
		if data, err = io.ReadAll(t.In); err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
	}
	body, err := c.encode(data)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	answer, err := c.post(ctx, body)
	if err != nil {
		return fmt.Errorf("push to %s: %w", c.Channel, err)
	}
	return c.print(t, answer)
}

// encode writes the push as POST /v1/push takes it.
func (c *pushCommand) encode(data []byte) ([]byte, error) {
	p := map[string]any{"to": c.Channel}
	contentType := c.ContentType
	if contentType == "" {
		contentType = guessType(data)
	}
	p["content_type"] = contentType
	switch kind := wire.KindOf(contentType); {
	case kind == wire.JSON:
		if !json.Valid(data) {
			return nil, usagef("the data is no JSON, which %s asks for", contentType)
		}
		p["data"] = json.RawMessage(data)
	case kind == wire.Text:
		if !utf8.Valid(data) {
			return nil, usagef("the data is not valid UTF-8, which %s asks for", contentType)
		}
		p["data"] = string(data)
	default:
		p["data_base64"] = base64.StdEncoding.EncodeToString(data)
	}
	for name, value := range map[string]string{"id": c.ID, "key": c.Key} {
		if value != "" {
			p[name] = value
		}
	}
	if c.TTL > 0 {
		p["ttl"] = time.Duration(c.TTL).String()
	}
	return json.Marshal(p)
}

// guessType says what data is when nobody said it.
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

func (c *pushCommand) request(ctx context.Context, body io.Reader, contentType string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.at("/v1/push"), body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", contentType)
	if c.APIKey != "" {
		r.Header.Set("Authorization", "Bearer "+c.APIKey)
	}
	return r, nil
}

// post sends one push and gives the body of a successful answer.
func (c *pushCommand) post(ctx context.Context, body []byte) ([]byte, error) {
	r, err := c.request(ctx, bytes.NewReader(body), "application/json")
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, wordDialError(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusCreated && response.StatusCode != http.StatusAccepted {
		return nil, readRefusal(response, answer)
	}
	return answer, nil
}

func (c *pushCommand) print(t *terminal, answer []byte) error {
	if c.JSON {
		var line bytes.Buffer
		if err := json.Compact(&line, answer); err != nil {
			return fmt.Errorf("the server's answer is no JSON: %w", err)
		}
		_, err := fmt.Fprintln(t.Out, line.String())
		return err
	}
	var result struct {
		Messages []pushed `json:"messages"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return fmt.Errorf("the server's answer is not understood: %w", err)
	}
	if len(result.Messages) == 0 {
		return errors.New("the server's answer is empty")
	}
	for _, p := range result.Messages {
		if _, err := fmt.Fprintln(t.Out, p.String()); err != nil {
			return err
		}
	}
	return nil
}

// String tells what became of a push.
func (p pushed) String() string {
	s := fmt.Sprintf("%s seq %d id %s: ", printable(p.To), p.Seq, printable(p.ID))
	switch p.Online {
	case 0:
		s += "stored, nobody is connected"
	case 1:
		s += "stored, 1 connection"
	default:
		s += fmt.Sprintf("stored, %d connections", p.Online)
	}
	if p.Duplicate {
		s += " (a repeat: it was there already)"
	}
	return s
}
