package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/wirepost/wirepost/httpapi/internal/parse"
)

// A body that arrives slowly must not hold a goroutine and a buffer for long: it has
// bodyTimeout from its beginning, and a second more for every bodyRate bytes received.
// The rest of a body that is not needed has restTimeout.
const (
	bodyTimeout = 30 * time.Second
	bodyRate    = 16 << 10
	restTimeout = 5 * time.Second
)

// stallTime is how long a client may not read a response, or a part of it, before it
// counts as gone.
const stallTime = time.Minute

// bodyDeadline is the deadline for the next bytes of a body.
func bodyDeadline(start time.Time, bytes int64) time.Time {
	return start.Add(bodyTimeout + time.Duration(bytes)*time.Second/bodyRate)
}

// SlowReaders sets a deadline for the response to every request, for handlers that set
// none: a client that does not read it must not hold it for ever.
func SlowReaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limitResponse(w)
		next.ServeHTTP(w, r)
	})
}

// limitResponse sets a deadline that also holds for what net/http writes after the
// handler has returned. The next request on the connection sets another.
func limitResponse(w http.ResponseWriter) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stallTime)) //nolint:errcheck // then the server's own holds
}

// SlowBodies sets a deadline for the body of every request, for handlers that set none:
// net/http reads the rest of a body before it responds, also if the handler reads nothing
// of it. The handler of New needs no SlowBodies around it.
func SlowBodies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limitBody(w, r)
		next.ServeHTTP(w, r)
	})
}

// limitBody sets the first deadline of a body; a pacedBody extends it.
func limitBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// Where deadlines cannot be set (tests, odd middleware), the server's own hold.
		http.NewResponseController(w).SetReadDeadline(bodyDeadline(time.Now(), 0)) //nolint:errcheck // see above
	}
}

// hurryBody is for a refused request: the rest of its body is read for a short time, so
// that the connection can be used again, and no longer.
func hurryBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		http.NewResponseController(w).SetReadDeadline(time.Now().Add(restTimeout)) //nolint:errcheck // then the server's own holds
	}
}

// closeAfter has the connection closed after the response. It is for a body that was not
// read to its end by a handler that writes meanwhile: net/http would take the rest of the
// body for the next request.
func closeAfter(w http.ResponseWriter) {
	// A body over its limit does that, also when the head has been sent.
	http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0).Read(make([]byte, 1)) //nolint:errcheck // it fails by design
}

// pacedBody extends the deadline of a body, which limitBody has set, as it comes in, and
// ends one that is longer than its limit.
type pacedBody struct {
	body    io.Reader
	control http.ResponseController
	start   time.Time
	due     time.Time // what is set
	bytes   int64
	limit   int64
}

// errLongBody is the error of a body that is longer than its limit.
var errLongBody = errors.New("body too long")

// begin begins to read the body of the request.
func (p *pacedBody) begin(w http.ResponseWriter, r *request, limit int) {
	start := time.Now()
	*p = pacedBody{
		body: r.Body, control: *http.NewResponseController(w), start: start, due: bodyDeadline(start, 0), limit: int64(limit),
	}
}

// Read implements io.Reader.
func (p *pacedBody) Read(b []byte) (int, error) {
	n, err := p.body.Read(b)
	p.bytes += int64(n)
	if p.bytes > p.limit {
		return 0, errLongBody
	}
	// A deadline is set for every second that was gained, not for every read.
	if due := bodyDeadline(p.start, p.bytes); err == nil && due.Sub(p.due) >= time.Second {
		p.due = due
		p.control.SetReadDeadline(due) //nolint:errcheck // then the server's own holds
	}
	return n, err
}

// end removes the deadline: the body is complete, and net/http takes an expired deadline
// for a client that has disconnected.
func (p *pacedBody) end() {
	p.control.SetReadDeadline(time.Time{}) //nolint:errcheck // it was set before, or never
}

// readBody reads the body of a request into a buffer, but not more than limit
// bytes of it.
func readBody(dst *bytes.Buffer, w http.ResponseWriter, r *request, limit int) error {
	if r.ContentLength > int64(limit) {
		return bodyTooLarge(limit)
	}
	if n := int(r.ContentLength); n > 0 {
		// ReadFrom needs room after the end, to see that it is the end.
		dst.Grow(n + bytes.MinRead)
	}
	r.body.begin(w, r, limit)
	_, err := dst.ReadFrom(&r.body)
	if err == nil {
		r.body.end()
		return nil
	}
	if err == errLongBody {
		closeAfter(w)
		return bodyTooLarge(limit)
	}
	return brokenBody(err)
}

func bodyTooLarge(limit int) error {
	return parse.TooLarge("", "the body has more than %d bytes", limit)
}

// brokenBody is the error for a body that is not complete.
func brokenBody(err error) error {
	e := parse.BadRequest("", "the body could not be read to its end")
	e.Err = err
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e.Status, e.Message = http.StatusRequestTimeout, "the body took too long to arrive"
	}
	return e
}

// checkEncoding refuses compressed bodies: stored as they are, clients could not read
// them.
func checkEncoding(h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return parse.Unsupported("Content-Encoding", "the coding %q is not supported: send the body without one", parse.Shorten(e))
	}
	return nil
}

// readJSON reads a small JSON object.
func readJSON(w http.ResponseWriter, r *request, fn func(name string, value json.RawMessage) error) error {
	return readJSONBody(w, r, func(body []byte) error { return parse.EachMember(body, fn) })
}

// readJSONBody calls use with a JSON body, which it does not check.
func readJSONBody(w http.ResponseWriter, r *request, use func(body []byte) error) error {
	if err := checkEncoding(r.Header); err != nil {
		return err
	}
	if t := mediaType(r.Header); !isJSON(t) {
		return parse.Unsupported("Content-Type", "%q is not supported here, only %s", parse.Shorten(t), jsonType)
	}
	body := getBuffer()
	defer putBuffer(body)
	if err := readBody(body, w, r, maxSmall); err != nil {
		return err
	}
	return use(body.Bytes())
}

// maxSmall bounds a JSON body that is no push, in bytes.
const maxSmall = 16 << 10

// buffers are for bodies and responses. One that has grown unusually large is left to the
// garbage collector.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const maxPooled = 256 << 10

func getBuffer() *bytes.Buffer { return buffers.Get().(*bytes.Buffer) }

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= maxPooled {
		b.Reset()
		buffers.Put(b)
	}
}
