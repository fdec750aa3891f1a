// Package fault is the coded error that the parts of the server return: a code for
// programs, and a message that a client may see. It maps codes to HTTP statuses and
// close codes.
package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/wire"
)

// Code identifies an error, as in wirepost.v1 error frames.
type Code string

// The codes.
const (
	BadRequest   Code = wire.BadRequest
	Unauthorized Code = "unauthorized" // "forbidden" in a frame
	Forbidden    Code = wire.Forbidden
	NotFound     Code = wire.NotFound
	TooLarge     Code = wire.TooLarge
	RateLimited  Code = wire.RateLimited
	Internal     Code = wire.Internal
	Unavailable  Code = wire.Unavailable
)

// Status is the HTTP status for the code.
func (c Code) Status() int {
	switch c {
	case BadRequest:
		return http.StatusBadRequest
	case Unauthorized:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case NotFound:
		return http.StatusNotFound
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case RateLimited:
		return http.StatusTooManyRequests
	case Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// CloseCode is the WebSocket close code for the code.
func (c Code) CloseCode() int {
	switch c {
	case Unauthorized:
		return wire.CloseUnauthorized
	case Forbidden:
		return wire.CloseForbidden
	case TooLarge:
		return wire.CloseTooLarge
	case RateLimited:
		return wire.CloseTooMuch
	case Unavailable:
		return wire.CloseTryAgain
	case Internal:
		return wire.CloseInternal
	}
	return wire.ClosePolicy
}

// Error is an error with a code.
type Error struct {
	Code    Code
	Field   string // the invalid field of the request, if any
	Message string // for the client
	// RetryAfter is sent with RateLimited and Unavailable; 0 means one second.
	RetryAfter time.Duration
	Status     int    // overrides the HTTP status of Code, if it is not 0
	Err        error  // the cause; never shown to a client
	Reason     string // the reason that a refusal is counted under, if not Code
}

// Error includes the cause, for logs.
func (e *Error) Error() string {
	s := string(e.Code) + ": "
	if e.Field != "" {
		s += e.Field + ": "
	}
	s += e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// HTTPStatus is the status of the response to a request.
func (e *Error) HTTPStatus() int {
	if e.Status != 0 {
		return e.Status
	}
	return e.Code.Status()
}

// Errorf makes an Error with a message for the client.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Field makes a BadRequest for one field of a request.
func Field(field, format string, args ...any) *Error {
	return &Error{Code: BadRequest, Field: field, Message: fmt.Sprintf(format, args...)}
}

// As turns any error into an *Error. An error that is not one becomes Unavailable if
// the engine returned it for that reason or a context ended, else Internal, with a
// message that reveals no internals. It returns nil for nil.
func As(err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, engine.ErrUnavailable), errors.Is(err, engine.ErrClosed):
		return &Error{Code: Unavailable, Message: storageMessage(err), Err: err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: Unavailable, Message: "the request was canceled before it was done", Err: err}
	case errors.Is(err, engine.ErrNotFound):
		return &Error{Code: NotFound, Message: "no such message", Err: err}
	}
	return &Error{Code: Internal, Message: "internal error", Err: err}
}

// Unauthorize turns a BadRequest caused by an identity into a 401.
func Unauthorize(err error) error {
	var coded *Error
	if errors.As(err, &coded) && coded.Code == BadRequest {
		return &Error{Code: Unauthorized, Message: coded.Message, Err: err}
	}
	return err
}

// storageMessage explains why the engine refuses writes.
func storageMessage(err error) string {
	switch {
	case errors.Is(err, engine.ErrDamaged):
		return "writes are refused because a file of the store is damaged: the log names it, `wirepost check` lists what is missing"
	case errors.Is(err, engine.ErrFailed):
		return "the store has failed and refuses writes until the server is restarted"
	case errors.Is(err, engine.ErrFull):
		return "the store refuses writes: its disk is full"
	case errors.Is(err, engine.ErrIsolated):
		return "this node takes no writes: it does not reach the log of the cluster"
	case errors.Is(err, engine.ErrCatchingUp):
		return "this node takes no writes at the moment: it is catching up with the log of the cluster"
	case errors.Is(err, engine.ErrNotUpgraded):
		return "this is not possible before all nodes of the cluster are upgraded"
	case errors.Is(err, engine.ErrLogStalled):
		return "writes do not get through the log of the cluster at the moment"
	case errors.Is(err, engine.ErrStalled):
		return "the store refuses writes at the moment: it is stalled"
	}
	return "the store refuses writes at the moment"
}
