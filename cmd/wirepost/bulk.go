package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/client"
	"github.com/wirepost/wirepost/internal/dial"
)

// responseTimeout limits the wait for a response once the last line has been sent.
const responseTimeout = 30 * time.Second

// bulkClient returns the HTTP client of a stream. It follows no redirect, which would be a
// request without the lines.
func bulkClient(transport *http.Transport) *http.Client {
	transport.ResponseHeaderTimeout = responseTimeout
	transport.DisableKeepAlives = true // there is one request
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// runBulk streams standard input to the server, and the results back.
func (c *pushCommand) runBulk(ctx context.Context, t *terminal) error {
	if c.Data != "" || c.ID != "" || c.Key != "" || c.TTL != 0 || c.ContentType != "" || !time.Time(c.At).IsZero() || c.Delay != 0 ||
		c.Escalate != nil || c.Until != "" || c.Notification != "" {
		return usagef("--ndjson cannot be combined with data, or with flags of one push such as --id and --delay: set them in each line")
	}
	body := t.In
	if c.Channel != "" {
		filled, done := fillChannel(t.In, c.Channel)
		// Stops the goroutine that copies, unless it is blocked reading standard
		// input: then it exits with the process.
		defer done()
		body = filled
	}
	lines := &counted{Reader: body}
	var response *http.Response
	for i := range c.Server {
		var err error
		if response, err = c.stream(ctx, &c.Server[i], lines); err == nil {
			break
		}
		// Lines that were sent may have been pushed.
		if i == len(c.Server)-1 || lines.begun.Load() || ctx.Err() != nil || isRefused(err) {
			return fmt.Errorf("push: %w", err)
		}
		t.warnf("%v; trying the next server", err)
	}
	defer response.Body.Close()
	progress := newProgress(t)
	err := c.results(t, response.Body, progress)
	progress.end()
	switch {
	case err != nil:
		return fmt.Errorf("push: after %d results: %w", progress.done+progress.failed, err)
	case progress.failed > 0:
		return fmt.Errorf("push: %d of %d lines were refused", progress.failed, progress.done+progress.failed)
	}
	return nil
}

// counted records whether anything was read.
type counted struct {
	io.Reader
	begun atomic.Bool
}

func (c *counted) Read(b []byte) (int, error) {
	c.begun.Store(true)
	return c.Reader.Read(b)
}

// stream begins to send lines to a server, and returns its response.
func (c *pushCommand) stream(ctx context.Context, s *serverURL, lines io.Reader) (*http.Response, error) {
	address, dialUnix, err := dial.Unix(s.at("/v1/push", nil))
	if err != nil {
		return nil, err
	}
	r, err := c.request(ctx, address, lines)
	if err != nil {
		return nil, err
	}
	server := bulkClient(dial.Transport(dialUnix))
	// Otherwise a server that refuses would first read the whole body, and standard
	// input may be endless (RFC 9110 §10.1.1).
	r.Header.Set("Expect", "100-continue")
	response, err := server.Do(r)
	if err != nil {
		return nil, wordDialError(err)
	}
	is, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case response.StatusCode != http.StatusOK:
		answer, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
		err = readRefusal(response, answer)
	case is != "application/x-ndjson":
		err = fmt.Errorf("the response is %q, not application/x-ndjson: %s is not a Wirepost server", is, s.Redacted())
	default:
		return response, nil
	}
	response.Body.Close()
	return nil, err
}

// request makes the request of a stream, with the key if there is one.
func (c *pushCommand) request(ctx context.Context, address string, lines io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, io.NopCloser(lines))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	if c.APIKey != "" {
		r.Header.Set("Authorization", "Bearer "+c.APIKey)
	}
	return r, nil
}

// isRefused reports whether a server has refused a request that another one would refuse as
// well.
func isRefused(err error) bool {
	e, ok := errors.AsType[*client.RefusedError](err)
	return ok && (e.Status == http.StatusTooManyRequests || !e.Temporary())
}

// results reads one result line per input line.
func (c *pushCommand) results(t *terminal, answers io.Reader, progress *progress) error {
	lines := bufio.NewReader(answers)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := c.result(t, n, line, progress); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *pushCommand) result(t *terminal, n int, line []byte, progress *progress) error {
	var answer struct {
		Status int    `json:"status"` // in problem details; absent in a success
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return fmt.Errorf("invalid response from the server: %w", err)
	}
	if answer.Status >= 400 {
		progress.failed++
		progress.line("line %d: %d: %s", n, answer.Status, printable(answer.Detail))
	} else {
		progress.done++
		progress.show()
	}
	if c.JSON {
		if _, err := t.Out.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// fillChannel adds channel to every line that is a push without "to".
func fillChannel(in io.Reader, channel string) (io.Reader, func()) {
	r, w := io.Pipe()
	go func() {
		lines := bufio.NewReader(in)
		for {
			line, err := lines.ReadBytes('\n')
			if len(bytes.TrimSpace(line)) > 0 {
				if _, err := w.Write(withChannel(line, channel)); err != nil {
					return // the request is done
				}
			}
			if err != nil {
				w.CloseWithError(err) // io.EOF ends the body
				return
			}
		}
	}()
	return r, func() { r.Close() } //nolint:errcheck // it cannot fail
}

func withChannel(line []byte, channel string) []byte {
	var push map[string]json.RawMessage
	if json.Unmarshal(line, &push) == nil && push != nil && push["to"] == nil {
		push["to"], _ = json.Marshal(channel)
		if filled, err := json.Marshal(push); err == nil {
			return append(filled, '\n')
		}
	}
	return line // the server reports what is wrong with it
}
