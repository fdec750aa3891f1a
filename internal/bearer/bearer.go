// Package bearer reads the Authorization header of requests.
package bearer

import (
	"net/http"
	"strings"
)

// Token returns the token of an Authorization header of the scheme Bearer (RFC 6750
// section 2.1). Ok is false if the header is absent or of another scheme.
func Token(h http.Header) (token string, ok bool) {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}
