package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// target is the server that a client command talks to.
type target struct {
	Server serverURL `default:"http://127.0.0.1:8080" placeholder:"URL" variable:"WIREPOST_SERVER" help:"The server (default ${default})."`
}

// at is the URL of one of the server's paths.
func (t *target) at(path string) string {
	return strings.TrimRight(t.Server.String(), "/") + path
}

// socketAt is the same for a WebSocket.
func (t *target) socketAt(path string, query url.Values) string {
	s := "ws" + strings.TrimPrefix(t.at(path), "http")
	if len(query) > 0 {
		s += "?" + query.Encode()
	}
	return s
}

// refusal is an HTTP answer that was no success.
type refusal struct {
	status     int
	message    string
	retryAfter time.Duration
}

func (r *refusal) Error() string { return r.message }

// final says that asking again would be answered the same.
func (r *refusal) final() bool {
	return r.status >= 400 && r.status < 500 && r.status != http.StatusTooManyRequests && r.status != http.StatusRequestTimeout
}

// readRefusal words an answer from its problem details, if it has some.
func readRefusal(response *http.Response, body []byte) *refusal {
	r := &refusal{status: response.StatusCode, message: "the server answered " + response.Status}
	var problem struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Field  string `json:"field"`
	}
	if json.Unmarshal(body, &problem) == nil && problem.Detail != "" {
		r.message += ": "
		if problem.Field != "" {
			r.message += problem.Field + ": "
		}
		r.message += problem.Detail
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		r.retryAfter = time.Duration(seconds) * time.Second
	}
	return r
}

// dial opens a WebSocket. A refusal of the server is a *refusal.
func dial(ctx context.Context, address string, o *websocket.DialOptions) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, address, o)
	if err == nil {
		return conn, nil
	}
	if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(response.Body) // Dial kept the beginning of it
		return nil, readRefusal(response, body)
	}
	return nil, wordDialError(err)
}

// wordDialError leaves away the layers that say nothing to a user.
func wordDialError(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Addr != nil {
		return fmt.Errorf("cannot connect to %s: %w", e.Addr, e.Err)
	}
	return err
}

// innermost is the cause of an error, without what each layer put before it.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// closeCode is the code that a connection ended with, 1006 when it just broke.
func closeCode(err error) (code int, reason string) {
	if e, ok := errors.AsType[websocket.CloseError](err); ok {
		return int(e.Code), e.Reason
	}
	return 1006, ""
}

// printable makes text safe for a terminal: control characters could move its
// cursor or type into it.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\t' || strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}
