package parse

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/wirepost/wirepost"
)

// BadRequest is an error in one field of a request; "" means in the request as a whole.
func BadRequest(field, format string, args ...any) *wirepost.Error {
	return &wirepost.Error{Code: wirepost.CodeBadRequest, Field: field, Message: fmt.Sprintf(format, args...)}
}

// TooLarge is BadRequest with the code for what exceeds a limit.
func TooLarge(field, format string, args ...any) *wirepost.Error {
	e := BadRequest(field, format, args...)
	e.Code = wirepost.CodeTooLarge
	return e
}

// Unsupported is BadRequest with status 415.
func Unsupported(field, format string, args ...any) *wirepost.Error {
	e := BadRequest(field, format, args...)
	e.Status = http.StatusUnsupportedMediaType
	return e
}

// Shorten keeps an error from repeating a long input.
func Shorten(s string) string {
	if len(s) > 40 {
		s = strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
