package http1

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// The sizes of the content of a response: at first, and when it is written although the
// handler has not returned.
const (
	contentSize  = 512
	contentLimit = 4096
)

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
	if x.content == nil {
		x.content = make([]byte, 0, contentSize)
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

// empty reports whether the response has no content, by its status.
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
	x.out = append(x.out, headEnd...)
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
	x.limitWrite()
	_, x.err = x.conn.Conn.Write(p)
}

// limitWrite sets the deadline of the next write, unless the one that is set will do.
func (x *exchange) limitWrite() {
	switch {
	case x.stall.IsZero() && !x.writeDue.IsZero():
		x.writeDue = time.Time{}
	case x.stall.After(x.writeDue) || x.writeDue.After(x.stall.Add(deadlineRoom)):
		x.writeDue = x.stall.Add(deadlineRoom)
	default:
		return
	}
	x.conn.SetWriteDeadline(x.writeDue) //nolint:errcheck // the write says so
}
