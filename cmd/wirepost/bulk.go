package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// runBulk streams standard input to the bulk path and the results back.
func (c *pushCommand) runBulk(ctx context.Context, t *terminal) error {
	if c.Data != "" || c.ID != "" || c.Key != "" || c.TTL != 0 || c.ContentType != "" {
		return usagef("with --ndjson each line says what it is: no data, --content-type, --id, --key or --ttl")
	}
	body := t.In
	if c.Channel != "" {
		filled, done := fillChannel(t.In, c.Channel)
		// Ends the goroutine that fills, unless it hangs in a read of standard
		// input: then it ends with the process.
		defer done()
		body = filled
	}
	r, err := c.request(ctx, io.NopCloser(body), "application/x-ndjson")
	if err != nil {
		return err
	}
	// A server that refuses would otherwise want all of the body first, and standard
	// input may have no end (RFC 9110 §10.1.1).
	r.Header.Set("Expect", "100-continue")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("push: %w", wordDialError(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
		return fmt.Errorf("push: %w", readRefusal(response, answer))
	}
	progress := newProgress(t)
	err = c.results(t, response.Body, progress)
	progress.end()
	switch {
	case err != nil:
		return fmt.Errorf("push: after %d answers: %w", progress.done+progress.failed, err)
	case progress.failed > 0:
		return fmt.Errorf("push: %d of %d lines were refused", progress.failed, progress.done+progress.failed)
	}
	return nil
}

// results reads one line of answer for each line of input.
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
		Status int    `json:"status"` // of a problem; a success has none
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return fmt.Errorf("the server's answer is not understood: %w", err)
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

// fillChannel gives every line that is a push without "to" that channel.
func fillChannel(in io.Reader, channel string) (io.Reader, func()) {
	r, w := io.Pipe()
	go func() {
		lines := bufio.NewReader(in)
		for {
			line, err := lines.ReadBytes('\n')
			if len(bytes.TrimSpace(line)) > 0 {
				if _, err := w.Write(withChannel(line, channel)); err != nil {
					return // the request has ended
				}
			}
			if err != nil {
				w.CloseWithError(err) // io.EOF is the end
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
	return line // the server says what is wrong with it
}

// progress tells on standard error how far a long work is.
type progress struct {
	t            *terminal
	done, failed int
	began, shown time.Time
	live         bool // a line that is written over
}

func newProgress(t *terminal) *progress {
	return &progress{t: t, began: time.Now(), shown: time.Now(), live: t.live()}
}

// progressPause is how often progress is told: to people who look at it, and to
// files.
func progressPause(live bool) time.Duration {
	if live {
		return time.Second / 5
	}
	return 5 * time.Second
}

// show prints the numbers, not more often than they can be read.
func (p *progress) show() {
	if now := time.Now(); now.Sub(p.shown) >= progressPause(p.live) {
		p.shown = now
		p.print()
	}
}

func (p *progress) print() {
	rate := float64(p.done) / max(time.Since(p.began).Seconds(), 0.001)
	if p.live {
		fmt.Fprintf(p.t.Err, "\r%d pushed, %d refused, %.0f/s   ", p.done, p.failed, rate)
		return
	}
	fmt.Fprintf(p.t.Err, "%d pushed, %d refused, %.0f/s\n", p.done, p.failed, rate)
}

// line prints a line between the numbers.
func (p *progress) line(format string, args ...any) {
	if p.live {
		fmt.Fprint(p.t.Err, "\r\x1b[K")
	}
	p.t.warnf(format, args...)
}

func (p *progress) end() {
	p.print()
	if p.live {
		fmt.Fprintln(p.t.Err)
	}
}
