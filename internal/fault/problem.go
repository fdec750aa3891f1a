package fault

import (
	"math"
	"net/http"
	"strconv"

	"github.com/wirepost/wirepost/internal/wire"
)

// Problem is an error in an HTTP response: problem details, RFC 9457.
type Problem struct {
	Type       string `json:"type"` // always "about:blank": Code says more than a link would
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Detail     string `json:"detail"`
	Code       Code   `json:"code"`
	Field      string `json:"field,omitempty"`
	RetryAfter int    `json:"retry_after,omitempty"` // seconds
}

// Problem returns the problem details of the error.
func (e *Error) Problem() Problem {
	status := e.HTTPStatus()
	p := Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: e.Message, Code: e.Code, Field: e.Field,
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		p.RetryAfter = max(1, int(math.Ceil(e.RetryAfter.Seconds())))
	}
	return p
}

// Write responds to a request with an error, as application/problem+json with the
// status of its code. Causes are not included.
func Write(w http.ResponseWriter, err error) {
	p := As(err).Problem()
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="wirepost"`)
	}
	w.WriteHeader(p.Status)
	w.Write(p.Encode()) //nolint:errcheck // the peer is gone
}

// Encode returns the problem as a line of JSON.
func (p *Problem) Encode() []byte {
	text, _ := wire.EncodeJSON(p) // it never fails
	return append(text, '\n')
}
