package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/dial"
	"github.com/wirepost/wirepost/internal/wire"
)

var (
	// ErrClosed is the error of a client, or of a stream, whose Close was called.
	ErrClosed = errors.New("closed")
	// ErrInterrupted is returned by Call when the connection broke before the reply:
	// whether the call was carried out is unknown.
	ErrInterrupted = errors.New("the connection broke before the response")
	// ErrProtocol is in the error of a server that does not keep to wirepost.v1 or, for
	// a Backend, of one that is not a Wirepost server.
	ErrProtocol = errors.New("the server does not keep to " + wire.ProtocolV1)
	// ErrIncomplete is returned together with a result that lacks what a node of the
	// cluster knows, because it did not answer the one that was asked.
	ErrIncomplete = errors.New("a node of the cluster did not answer, so the result is incomplete")
)

// incomplete returns the error of a call, or ErrIncomplete.
func incomplete(err error, is bool) error {
	if err == nil && is {
		return ErrIncomplete
	}
	return err
}

// The codes of errors: errors.Is(err, ErrNotFound) reports whether a *RefusedError or a
// *CommandError in err's chain has that code. What a proxy answers has none of them.
var (
	ErrBadRequest   error = codeError(wire.BadRequest)
	ErrUnauthorized error = codeError("unauthorized")
	ErrForbidden    error = codeError(wire.Forbidden)
	ErrNotFound     error = codeError(wire.NotFound)
	ErrTooLarge     error = codeError(wire.TooLarge)
	ErrRateLimited  error = codeError(wire.RateLimited)
	ErrInternal     error = codeError(wire.Internal)
	ErrUnavailable  error = codeError(wire.Unavailable)
)

type codeError string

func (c codeError) Error() string { return strings.ReplaceAll(string(c), "_", " ") }

// CloseError says that a connection was closed with a code (RFC 6455 §7.4 and the
// table in docs/protocol.md).
type CloseError struct {
	Code   int // 1006 when the connection just broke
	Reason string
	Local  bool  // this side closed it
	Err    error // what broke it, if something did
}

// Error contains code and reason.
func (e *CloseError) Error() string {
	if e.Code == wire.CloseAbnormal && e.Err != nil {
		return "the connection broke: " + e.Err.Error()
	}
	text := fmt.Sprintf("the server closed the connection with %d", e.Code)
	if e.Local {
		text = fmt.Sprintf("the connection was closed with %d", e.Code)
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

// Unwrap returns what broke the connection.
func (e *CloseError) Unwrap() error { return e.Err }

// MayReconnect reports whether a client may connect again by itself.
func (e *CloseError) MayReconnect() bool { return wire.MayReconnect(e.Code) }

// closeError gives an error of the connection the type of this package.
func closeError(err error) error {
	end, ok := errors.AsType[*dial.CloseError](err)
	if !ok {
		return err
	}
	e := &CloseError{Code: end.Code, Reason: end.Reason, Local: end.Local, Err: end.Err}
	if errors.Is(err, dial.ErrQuiet) {
		e.Code, e.Reason, e.Local = wire.CloseHeartbeat, "heartbeat of the server lost", true
	}
	return e
}

// RefusedError is an HTTP response that is not a success, with its problem details
// (RFC 9457) if there were any.
type RefusedError struct {
	Status int
	Code   string // for programs, such as "forbidden"
	Detail string // for people
	Field  string // of the request, if one was wrong
	// RetryAfter is how long to wait before the next attempt; 0 if the response does not
	// say.
	RetryAfter time.Duration

	foreign bool // not the server's own response
}

// Error contains status and detail.
func (e *RefusedError) Error() string {
	text := fmt.Sprintf("the server answered %d %s", e.Status, http.StatusText(e.Status))
	if e.Detail != "" {
		text += ": "
		if e.Field != "" {
			text += e.Field + ": "
		}
		text += e.Detail
	}
	return text
}

// Is reports whether target is the code of the error, such as ErrNotFound.
func (e *RefusedError) Is(target error) bool { return !e.foreign && target == codeError(e.Code) }

// Temporary reports whether the same request may succeed later: after 408, 425, 429 and
// 5xx.
func (e *RefusedError) Temporary() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return e.Status >= 500
}

// refused reads problem details.
func refused(status int, header http.Header, body []byte) *RefusedError {
	e := &RefusedError{Status: status}
	var problem struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
		Field  string `json:"field"`
	}
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if strings.HasSuffix(media, "json") && json.Unmarshal(body, &problem) == nil {
		e.Code, e.Detail, e.Field = problem.Code, problem.Detail, problem.Field
	}
	// A proxy that responds while the server restarts does not know whether the request
	// is good: its response is not a reason to give up.
	e.foreign = media != "application/problem+json" || e.Code == ""
	e.RetryAfter = retryAfter(header.Get("Retry-After"))
	return e
}

// maxRetryAfter is the longest pause that a server may ask for.
const maxRetryAfter = time.Hour

// retryAfter reads the header (RFC 9110 §10.2.3).
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return bounded(min(seconds, math.MaxInt64/1000) * 1000)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, min(time.Until(at), maxRetryAfter))
	}
	return 0
}

// bounded is a pause of the milliseconds that a server asked for, up to maxRetryAfter.
func bounded(ms int64) time.Duration {
	return time.Duration(max(0, min(ms, maxRetryAfter.Milliseconds()))) * time.Millisecond
}

// CommandError is the server's refusal of a command.
type CommandError struct {
	Code    string // for programs: see "Error codes" in docs/protocol.md
	Message string // for people
}

// Error contains code and message.
func (e *CommandError) Error() string { return e.Code + ": " + e.Message }

// Is reports whether target is the code of the error, such as ErrForbidden.
func (e *CommandError) Is(target error) bool { return target == codeError(e.Code) }

func commandError(f *wire.Frame) error {
	return &CommandError{Code: f.ErrorCode(), Message: f.Message}
}

func isCode(err error, code string) bool {
	e, ok := errors.AsType[*CommandError](err)
	return ok && e.Code == code
}
