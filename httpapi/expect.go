package httpapi

import (
	"net/http"
	"strings"
)

// expectContinue sends the 100 that a client may wait for before it sends its
// body (RFC 9110 §10.1.1). It would come too late with the first read.
func expectContinue(w http.ResponseWriter, r *request) {
	switch {
	case !strings.EqualFold(r.Header.Get("Expect"), "100-continue"):
	case r.ProtoMajor == 1:
		unwrapped(w).WriteHeader(http.StatusContinue)
	default:
		r.Body.Read(nil) //nolint:errcheck // net/http sends it here alone; errors come again
	}
}

// unwrapped returns the writer of net/http: those of routers, such as Gin's, take the
// first status for the last one.
func unwrapped(w http.ResponseWriter) http.ResponseWriter {
	for {
		inner, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = inner.Unwrap()
	}
}
