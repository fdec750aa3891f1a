package http1

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"time"
)

// exchange is a request with its response. A connection uses it again for the next one.
type exchange struct {
	conn *conn

	// The request, as read sets it.
	lines   []line
	method  string
	target  string
	upgrade upgrade
	parsed  url.URL // of target
	url     url.URL
	host    string
	length  int
	header  http.Header

	blank   http.Request // has the context
	address string
	request http.Request
	body    body

	early []byte // what has arrived after the request

	response http.Header
	status   int
	content  []byte   // not yet written
	out      []byte   // a head or a chunk
	names    []string // of its header, sorted
	chunked  bool     // the head is written, and content is sent in chunks
	last     bool     // the connection is closed after the response
	err      error    // of a write

	readDue, writeDue time.Time // what is set
	stall             time.Time // deadline of the response; zero: none
}

// maxKept is the largest buffer that a connection keeps for the next response.
const maxKept = 2 * contentLimit

// usualLines is how many lines of a header have room from the start.
const usualLines = 8

// deadlineRoom is how much later a deadline may be than it should be. It is set anew only
// when this is used up.
const deadlineRoom = 15 * time.Second

func newExchange(c *conn) *exchange {
	ctx := context.WithValue(context.Background(), http.LocalAddrContextKey, c.LocalAddr())
	x := &exchange{
		conn: c, address: c.RemoteAddr().String(), response: http.Header{},
		lines: make([]line, 0, usualLines), header: make(http.Header, usualLines),
	}
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

// respond has a request served, which read has read, and writes its response. Early is what
// has arrived after it.
func (x *exchange) respond(request, early []byte) error {
	r := &x.request
	*r = x.blank
	r.Method, r.URL, r.RequestURI = x.method, &x.url, x.target
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.Header, r.Host, r.RemoteAddr = x.header, x.host, x.address
	r.ContentLength, r.Body = int64(x.length), &x.body
	x.body.Reset(request[len(request)-x.length:])
	x.body.closed = false
	x.early = early

	clear(x.response)
	x.status, x.content, x.chunked, x.stall, x.err = 0, x.content[:0], false, time.Time{}, nil
	x.conn.server.options.Handler.ServeHTTP(x, r)
	x.body.closed = true
	if x.conn.state.Load() == hijacked {
		return errHijacked
	}
	err := x.finish()
	if max(cap(x.content), cap(x.out)) > maxKept {
		x.content, x.out = nil, nil
	}
	return err
}

// limitReads sets the deadline of the reads that follow.
func (x *exchange) limitReads(timeout time.Duration) {
	if at := time.Now().Add(timeout); at.After(x.readDue) || x.readDue.After(at.Add(deadlineRoom)) {
		x.readDue = at.Add(deadlineRoom)
		x.conn.SetReadDeadline(x.readDue) //nolint:errcheck // the read says so
	}
}
