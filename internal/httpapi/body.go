package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost"
)

// bodyTimeout is how long a body may take to arrive.
const bodyTimeout = 30 * time.Second

// readBody reads the body of a request into a buffer, but not more than limit
// bytes of it.
func readBody(dst *bytes.Buffer, w http.ResponseWriter, r *request, limit int) error {
	if r.ContentLength > int64(limit) {
		return bodyTooLarge(limit)
	}
	if n := int(r.ContentLength); n > 0 {
		// ReadFrom wants room behind the end, to see that it is the end.
		dst.Grow(n + bytes.MinRead)
	}
	// A body that trickles in must not hold a goroutine for long. Where deadlines
	// cannot be set (tests, odd middleware), the server's own hold.
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Now().Add(bodyTimeout)) == nil {
		defer control.SetReadDeadline(time.Time{}) //nolint:errcheck // it was set before
	}
	_, err := dst.ReadFrom(http.MaxBytesReader(w, r.Body, int64(limit)))
	if err == nil {
		return nil
	}
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return bodyTooLarge(limit)
	}
	return brokenBody(err)
}

func bodyTooLarge(limit int) error {
	return tooLarge("", "the body has more than %d bytes", limit)
}

// brokenBody is the answer to a body that did not come to its end, as far as
// there is somebody to answer to.
func brokenBody(err error) error {
	e := badRequest("", "the body could not be read to its end")
	e.Err = err
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e.Status, e.Message = http.StatusRequestTimeout, "the body took too long to arrive"
	}
	return e
}

func tooLarge(field, format string, args ...any) *wirepost.Error {
	e := badRequest(field, format, args...)
	e.Code = wirepost.TooLarge
	return e
}

func unsupported(field, format string, args ...any) *wirepost.Error {
	e := badRequest(field, format, args...)
	e.Status = http.StatusUnsupportedMediaType
	return e
}

// checkEncoding refuses compressed bodies: kept as they are they would be nothing
// a client could read.
func checkEncoding(h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return unsupported("Content-Encoding", "the coding %q is not understood here: send the body as it is", shorten(e))
	}
	return nil
}

// readJSON reads a small JSON object.
func readJSON(w http.ResponseWriter, r *request, fn func(name string, value json.RawMessage) error) error {
	if err := checkEncoding(r.Header); err != nil {
		return err
	}
	if t := mediaType(r.Header); !isJSON(t) {
		return unsupported("Content-Type", "%q is not read here, only %s", shorten(t), jsonType)
	}
	body := getBuffer()
	defer putBuffer(body)
	if err := readBody(body, w, r, maxSmall); err != nil {
		return err
	}
	return eachMember(body.Bytes(), fn)
}

// maxSmall bounds a JSON body that is no push, in bytes.
const maxSmall = 16 << 10

// buffers are bodies and answers. What has grown for one of an unusual size is
// left to the collector.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const maxPooled = 256 << 10

func getBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= maxPooled {
		b.Reset()
		buffers.Put(b)
	}
}
