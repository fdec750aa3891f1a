package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/count"
	"github.com/wirepost/wirepost/internal/redact"
	"github.com/wirepost/wirepost/internal/signing"
	"github.com/wirepost/wirepost/internal/wire"
)

// hook asks one kind of question at one URL.
type hook struct {
	// Static.
	of   *Hooks
	kind string
	url  string

	breaker  breaker
	inFlight atomic.Int64
	results  count.ByLabel
	seconds  count.Histogram // of the requests that were sent
	recent   recent
	warnings warnings
}

// response is the complete response to a question.
type response struct {
	status int
	body   []byte
}

// ask sends a question about a connection and calls read with the response. If read
// returns a *wirepost.Error, the backend has refused; any other error means that the
// response is unusable. The error of ask is always a *wirepost.Error: the refusal, or
// CodeUnavailable.
func (k *hook) ask(ctx context.Context, connection string, question []byte, read func(*response) error) error {
	if wait, blocked := k.breaker.blocked(time.Now()); blocked {
		return k.unavailable(resultOpen, wait, errOpen)
	}
	whole, cancel := context.WithTimeout(ctx, k.of.timeout)
	defer cancel()
	if err := k.of.gate.enter(whole); err != nil {
		return k.unavailable(resultOf(ctx, resultBusy), 0, err)
	}
	defer k.of.gate.leave()
	wait, probe, ok := k.breaker.admit(time.Now())
	if !ok {
		return k.unavailable(resultOpen, wait, errOpen)
	}
	begun := time.Now()
	k.inFlight.Add(1)
	r, err := k.send(whole, question)
	k.inFlight.Add(-1)
	took := time.Since(begun)
	k.seconds.Observe(took)
	k.recent.took(took)
	if err != nil {
		return k.lost(ctx, probe, err)
	}
	err = read(r)
	var refusal *wirepost.Error
	switch {
	case err == nil:
		k.results.Add(resultOK)
	case errors.As(err, &refusal):
		k.results.Add(resultRefused)
	default:
		k.failed(probe, connection, resultFailed, err)
		return k.unavailable("", 0, err)
	}
	if k.breaker.succeeded() {
		k.of.logger.Info("the backend responds again", "hook", k.kind, "url", redact.URL(k.url))
	}
	return err
}

// lost handles a request without a complete response.
func (k *hook) lost(ctx context.Context, probe bool, err error) error {
	result := resultFailed
	switch {
	case ctx.Err() != nil:
		k.breaker.canceled(probe)
		return k.unavailable(resultCanceled, 0, ctx.Err())
	case errors.Is(err, context.DeadlineExceeded):
		result = resultTimeout
		err = fmt.Errorf("no complete response within %s", k.of.timeout)
	}
	k.failed(probe, "", result, err)
	return k.unavailable("", 0, err)
}

// failed counts and logs a failure. A connection is named if its client may have caused
// the failure.
func (k *hook) failed(probe bool, connection, result string, err error) {
	k.results.Add(result)
	now := time.Now()
	k.recent.failed(now, err)
	opened := k.breaker.failed(now, probe, connection)
	level := slog.LevelDebug
	if k.warnings.next(now) {
		level = slog.LevelWarn
	}
	log := k.of.logger.With("hook", k.kind, "url", redact.URL(k.url))
	log.Log(context.Background(), level, "hook failed", "error", err)
	if opened {
		log.Warn("the backend is not asked for a moment, because of repeated failures", "failures", failuresToOpen, "pause", firstPause)
	}
}

// send makes one request, and reads the response within the limit of its size.
func (k *hook) send(ctx context.Context, question []byte) (*response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, k.url, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "wirepost")
	signing.Sign(req.Header, k.of.secrets, signing.NewID(), time.Now(), question)
	if k.kind != Message && k.kind != Call {
		// Questions change nothing, so net/http may send them again when the backend
		// has closed an idle connection meanwhile. The empty header is not sent.
		req.Header["X-Idempotency-Key"] = []string{}
	}
	resp, err := k.of.client.Do(req)
	if err != nil {
		return nil, cause(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, k.of.limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the response is not complete: %w", err)
	case int64(len(body)) > k.of.limit:
		return nil, fmt.Errorf("the response has more than %d bytes", k.of.limit)
	}
	return &response{resp.StatusCode, body}, nil
}

// cause is the error of a request without the method and the URL, which the log has.
func cause(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

var errOpen = errors.New("the backend has failed repeatedly, and is not asked at the moment")

// unavailable counts a result, unless it is counted already, and returns the error for
// the client, who comes back after a while.
func (k *hook) unavailable(result string, wait time.Duration, err error) error {
	if result != "" {
		k.results.Add(result)
	}
	return &wirepost.Error{
		Code: wirepost.CodeUnavailable, Message: "the application does not respond at the moment: try again later",
		RetryAfter: max(wait, retryAfter), Err: fmt.Errorf("hook %s: %w", k.kind, err),
	}
}

const retryAfter = 2 * time.Second

// resultOf is the result of a request that was not sent.
func resultOf(ctx context.Context, otherwise string) string {
	if ctx.Err() != nil {
		return resultCanceled
	}
	return otherwise
}

// ok reports whether the response is one of success.
func (r *response) ok() bool { return r.status == http.StatusOK || r.status == http.StatusNoContent }

// problem is what is used of problem details (RFC 9457).
type problem struct {
	Detail string `json:"detail"`
	Code   string `json:"code"`
}

// problem returns the problem details of a response, which are empty if it has none. Any
// JSON object will do: the content type is often forgotten.
func (r *response) problem() (p problem) {
	if json.Unmarshal(r.body, &p) != nil {
		return problem{}
	}
	p.Detail = clip(p.Detail, 1<<10)
	return p
}

// refusal returns the error of a response that refuses with 401 or 403, and otherwise
// nil.
func (r *response) refusal(otherwise string) error {
	code := wirepost.CodeForbidden
	switch r.status {
	case http.StatusUnauthorized:
		code = wirepost.CodeUnauthorized
	case http.StatusForbidden:
	default:
		return nil
	}
	if p := r.problem(); p.Detail != "" {
		otherwise = p.Detail
	}
	return wirepost.Errorf(code, "%s", otherwise)
}

// unexpected is the error of a response that is none of those that a hook may have.
func (r *response) unexpected() error {
	if len(r.body) == 0 {
		return fmt.Errorf("response with status %d and no body", r.status)
	}
	return fmt.Errorf("response with status %d and the body %q", r.status, clip(string(r.body), 200))
}

// clip shortens a text, to valid UTF-8.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

func encode(question any) []byte {
	text, err := wire.EncodeJSON(question)
	if err != nil {
		panic("hooks: a question that cannot be encoded: " + err.Error())
	}
	return text
}
