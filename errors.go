package wirepost

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/session"
	"github.com/wirepost/wirepost/internal/wire"
)

// Code classifies an error. It is the code in wirepost.v1 error frames, and it determines
// the HTTP status and the close code.
type Code string

// The codes.
const (
	CodeBadRequest   Code = "bad_request"  // 400
	CodeUnauthorized Code = "unauthorized" // 401, close 4401; "forbidden" in a frame
	CodeForbidden    Code = "forbidden"    // 403, close 4403
	CodeNotFound     Code = "not_found"    // 404
	CodeTooLarge     Code = "too_large"    // 413, close 1009
	CodeRateLimited  Code = "rate_limited" // 429, close 4429
	CodeInternal     Code = "internal"     // 500, close 1011
	CodeUnavailable  Code = "unavailable"  // 503, close 1013
)

// Status is the HTTP status for the code.
func (c Code) Status() int { return fault.Code(c).Status() }

// The codes as errors: errors.Is(err, ErrNotFound) reports whether an *Error in err's
// chain has that code. A callback may return one of them, or an error that wraps one; the
// client sees the code, and not the text of the wrapping error.
var (
	ErrBadRequest   error = codeError(CodeBadRequest)
	ErrUnauthorized error = codeError(CodeUnauthorized)
	ErrForbidden    error = codeError(CodeForbidden)
	ErrNotFound     error = codeError(CodeNotFound)
	ErrTooLarge     error = codeError(CodeTooLarge)
	ErrRateLimited  error = codeError(CodeRateLimited)
	ErrInternal     error = codeError(CodeInternal)
	ErrUnavailable  error = codeError(CodeUnavailable)
)

type codeError Code

func (c codeError) Error() string { return strings.ReplaceAll(string(c), "_", " ") }

// coded returns the *Error in err's chain, or one for the code there, so that callbacks
// may return ErrForbidden or wrap it.
func coded(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var c codeError
	if errors.As(err, &c) {
		return &Error{Code: Code(c), Message: c.Error(), Err: err}
	}
	return nil
}

// Error is the error type of this package, except for New: a code for programs and a
// message that clients may see.
type Error struct {
	Code    Code
	Field   string // the invalid field of the request, if any
	Message string
	// RetryAfter is sent with CodeRateLimited and CodeUnavailable; 0 means one second.
	RetryAfter time.Duration
	// Status overrides the HTTP status of Code, if it is not 0.
	Status int
	Err    error // the cause; never sent to a client

	reason string // the reason that a refusal is counted for, if not Code
}

// Error includes the cause, for logs.
func (e *Error) Error() string { return e.fault().Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the code of the error, such as ErrNotFound.
func (e *Error) Is(target error) bool { return target == codeError(e.Code) }

// Problem returns the error as problem details (RFC 9457).
func (e *Error) Problem() Problem { return e.fault().Problem() }

// Problem is an error in the HTTP API: problem details, RFC 9457.
type Problem = fault.Problem

// Errorf returns an Error with a formatted message for the client.
func Errorf(code Code, format string, args ...any) *Error {
	return publicError(fault.Errorf(fault.Code(code), format, args...))
}

// fieldError is an error of one field of a request.
func fieldError(field, format string, args ...any) *Error {
	return publicError(fault.Field(field, format, args...))
}

// AsError returns the *Error in err's chain, or one for ErrNotFound and the like. For any other error it makes one that does
// not reveal internals: with CodeUnavailable if a context is done or the engine is
// unavailable, else with CodeInternal. AsError(nil) is nil.
func AsError(err error) *Error {
	if e := coded(err); e != nil {
		return e
	}
	return publicError(fault.As(err))
}

// asFault is AsError for the parts of the server.
func asFault(err error) *fault.Error {
	if e := coded(err); e != nil {
		return e.fault()
	}
	return fault.As(err)
}

// WriteError responds with an error as application/problem+json, with the status of its
// code. It does not reveal the cause.
func WriteError(w http.ResponseWriter, err error) {
	if err == nil {
		err = Errorf(CodeInternal, "internal error")
	}
	fault.Write(w, asFault(err))
}

func publicError(f *fault.Error) *Error {
	if f == nil {
		return nil
	}
	return &Error{
		Code: Code(f.Code), Field: f.Field, Message: f.Message,
		RetryAfter: f.RetryAfter, Status: f.Status, Err: f.Err, reason: f.Reason,
	}
}

func (e *Error) fault() *fault.Error {
	return &fault.Error{
		Code: fault.Code(e.Code), Field: e.Field, Message: e.Message,
		RetryAfter: e.RetryAfter, Status: e.Status, Err: e.Err, Reason: e.reason,
	}
}

// public is an error of a part of the server as this package returns it.
func public(err error) error {
	if err == nil {
		return nil
	}
	return AsError(err)
}

// CloseInfo describes how a session was closed: the close code (RFC 6455 §7.4, or one
// from 4000 on) and its reason. It is the error of a Conn whose session is closed, and OnMessage,
// OnCall and the function of Handle may return one to close the connection.
type CloseInfo struct {
	Code   int
	Reason string
}

func (e CloseInfo) Error() string { return "wirepost: " + session.CloseInfo(e).Error() }

// check refuses what an application may not close a connection with.
func (e CloseInfo) check() error {
	switch {
	case e.Code != wire.CloseNormal && (e.Code < 3000 || e.Code > 4999):
		return fieldError("code", "%d is neither 1000 nor from 3000 to 4999", e.Code)
	case len(e.Reason) > 123 || !utf8.ValidString(e.Reason):
		return fieldError("reason", "%d bytes, at most 123 bytes of valid UTF-8 are allowed", len(e.Reason))
	}
	return nil
}
