package gateway

import (
	"io"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/internal/fault"
)

// bodyWait bounds the wait for the end of an empty body.
const bodyWait = 10 * time.Second

// noBody refuses a request with a body, and closes its connection: whether the
// following bytes are a body, frames or another request would be ambiguous, and
// net/http would wait for them before it responds. Some intermediaries send an empty
// body in chunks, which is read to its end.
func noBody(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	if r.ContentLength < 0 {
		rc := http.NewResponseController(w)
		rc.SetReadDeadline(time.Now().Add(bodyWait)) //nolint:errcheck // not supported by every ResponseWriter
		n, err := io.ReadFull(r.Body, make([]byte, 1))
		rc.SetReadDeadline(time.Time{}) //nolint:errcheck // the same
		if n == 0 && err == io.EOF {
			return nil
		}
	}
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
	return fault.Field("Content-Length", "this request must not have a body")
}
