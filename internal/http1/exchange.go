package http1

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// exchange is a request with its response. A connection uses it again for the next one.
type exchange struct {
	conn *conn

	// The request, as read sets it.
	lines  []line
	target string
	parsed url.URL // of target
	url    url.URL
	host   string
	length int
	header http.Header

	blank   http.Request // has the context
	address string
	request http.Request
	body    body

	response http.Header
	status   int
	content  []byte   // not yet written
	out      []byte   // a head or a chunk
	names    []string // of the response, in order
	chunked  bool     // the head is written, and content is sent in chunks
	last     bool     // the connection is closed after the response
	err      error    // of a write

	readDue, writeDue time.Time // what is set
	stall             time.Time // deadline of the response; zero: none
}

// The sizes of the content of a response: at first, and when it is written although the
// handler has not returned.
const (
	contentSize  = 512
	contentLimit = 4096
)

// maxKept is the largest buffer that a connection keeps for the next response.
const maxKept = 2 * contentLimit

// deadlineRoom is how much later a deadline may be than it should be. It is set anew only
// when this is used up.
const deadlineRoom = 15 * time.Second

func newExchange(c *conn) *exchange {
	ctx := context.WithValue(context.Background(), http.LocalAddrContextKey, c.LocalAddr())
	x := &exchange{conn: c, header: http.Header{}, response: http.Header{}, content: make([]byte, 0, contentSize), address: c.RemoteAddr().String()}
	x.blank = *new(http.Request).WithContext(ctx)
	return x
}

// body is the body of a request, which has arrived.
type body struct {
	bytes.Reader
	closed bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.Reader.Read(p)
}

// WriteTo implements io.WriterTo.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.Reader.WriteTo(w)
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.closed = true
	return nil
}

// respond has a request served, which read has read, and writes its response.
func (x *exchange) respond(request []byte) error {
	r := &x.request
	*r = x.blank
	r.Method, r.URL, r.RequestURI = http.MethodPost, &x.url, x.target
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.Header, r.Host, r.RemoteAddr = x.header, x.host, x.address
	r.ContentLength, r.Body = int64(x.length), &x.body
	x.body.Reset(request[len(request)-x.length:])
	x.body.closed = false

	clear(x.response)
	x.status, x.content, x.chunked, x.stall, x.err = 0, x.content[:0], false, time.Time{}, nil
	x.conn.server.options.Handler.ServeHTTP(x, r)
	x.body.closed = true
	err := x.finish()
	if max(cap(x.content), cap(x.out)) > maxKept {
		x.content, x.out = nil, nil
	}
	return err
}

// Header implements http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.response }

// WriteHeader implements http.ResponseWriter. Informational responses are for requests that
// are not served here.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && status >= http.StatusOK {
		x.status = status
	}
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	x.WriteHeader(http.StatusOK)
	if x.empty() {
		return 0, http.ErrBodyNotAllowed
	}
	x.content = append(x.content, p...)
	if len(x.content) > contentLimit && x.response["Content-Length"] == nil {
		x.flush()
	}
	if x.err != nil {
		return 0, x.err
	}
	return len(p), nil
}

// FlushError is for http.ResponseController.
func (x *exchange) FlushError() error {
	x.WriteHeader(http.StatusOK)
	if !x.empty() { // its end would follow as a chunk
		x.flush()
	}
	return x.err
}

// empty says whether the response has no content, by its status.
func (x *exchange) empty() bool {
	return x.status == http.StatusNoContent || x.status == http.StatusNotModified
}

// EnableFullDuplex is for http.ResponseController: the body has arrived.
func (x *exchange) EnableFullDuplex() error { return nil }

// SetReadDeadline is for http.ResponseController: the body has arrived.
func (x *exchange) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline is for http.ResponseController.
func (x *exchange) SetWriteDeadline(t time.Time) error {
	x.stall = t
	return nil
}

// finish writes what is left of the response.
func (x *exchange) finish() error {
	x.WriteHeader(http.StatusOK)
	if x.chunked {
		if len(x.content) > 0 {
			x.flush()
		}
		x.write([]byte("0\r\n\r\n"))
		return x.err
	}
	x.appendHead(len(x.content))
	x.out = append(x.out, x.content...)
	x.write(x.out)
	return x.err
}

// flush writes the content as a chunk, after the head if that is not written. It may be
// empty only with the head.
func (x *exchange) flush() {
	x.out = x.out[:0]
	if !x.chunked {
		x.chunked = true
		x.appendHead(-1)
	}
	if len(x.content) > 0 {
		x.out = strconv.AppendInt(x.out, int64(len(x.content)), 16)
		x.out = append(x.out, "\r\n"...)
		x.out = append(x.out, x.content...)
		x.out = append(x.out, "\r\n"...)
	}
	x.content = x.content[:0]
	if len(x.out) > 0 {
		x.write(x.out)
	}
}

// appendHead sets out to the head of the response, whose length is given, or -1.
func (x *exchange) appendHead(length int) {
	h := x.response
	x.last = h.Get("Connection") == "close" || x.conn.server.closing.Load()
	for _, own := range []string{"Connection", "Content-Length", "Transfer-Encoding", "Date"} {
		delete(h, own)
	}
	if _, ok := h["Content-Type"]; !ok && len(x.content) > 0 {
		h.Set("Content-Type", http.DetectContentType(x.content))
	}
	x.out = append(x.out[:0], "HTTP/1.1 "...)
	x.out = strconv.AppendInt(x.out, int64(x.status), 10)
	x.out = append(append(append(x.out, ' '), http.StatusText(x.status)...), "\r\n"...)
	x.appendHeader()
	x.out = append(x.out, "Date: "...)
	x.out = time.Now().UTC().AppendFormat(x.out, http.TimeFormat)
	switch {
	case x.empty():
	case length >= 0:
		x.out = append(x.out, "\r\nContent-Length: "...)
		x.out = strconv.AppendInt(x.out, int64(length), 10)
	default:
		x.out = append(x.out, "\r\nTransfer-Encoding: chunked"...)
	}
	if x.last {
		x.out = append(x.out, "\r\nConnection: close"...)
	}
	x.out = append(x.out, end...)
}

// appendHeader appends the header that the handler has set.
func (x *exchange) appendHeader() {
	x.names = x.names[:0]
	for name := range x.response {
		x.names = append(x.names, name)
	}
	slices.Sort(x.names)
	for _, name := range x.names {
		for _, value := range x.response[name] {
			x.out = append(append(x.out, name...), ": "...)
			for i := range len(value) {
				if c := value[i]; c == '\r' || c == '\n' {
					x.out = append(x.out, ' ')
				} else {
					x.out = append(x.out, c)
				}
			}
			x.out = append(x.out, "\r\n"...)
		}
	}
}

func (x *exchange) write(p []byte) {
	if x.err != nil {
		return
	}
	switch {
	case x.stall.IsZero() && !x.writeDue.IsZero():
		x.writeDue = time.Time{}
		x.conn.SetWriteDeadline(x.writeDue) //nolint:errcheck // the write says so
	case x.stall.After(x.writeDue) || x.writeDue.After(x.stall.Add(deadlineRoom)):
		x.writeDue = x.stall.Add(deadlineRoom)
		x.conn.SetWriteDeadline(x.writeDue) //nolint:errcheck // the write says so
	}
	_, x.err = x.conn.Conn.Write(p)
}

// due sets the deadline of the next read.
func (x *exchange) due(timeout time.Duration) {
	if at := time.Now().Add(timeout); at.After(x.readDue) || x.readDue.After(at.Add(deadlineRoom)) {
		x.readDue = at.Add(deadlineRoom)
		x.conn.SetReadDeadline(x.readDue) //nolint:errcheck // the read says so
	}
}
