package http1

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// line is a line of the header. Those of the previous request are kept: most clients send
// the same ones again, and a line that is the same makes no new strings.
type line struct {
	text string
	name string // in canonical form
	list [1]string
}

// headEnd is between the head of a message and its body.
const headEnd = "\r\n\r\n"

// cutTarget returns the target of a request line, if it is one of a POST in HTTP/1.1.
func cutTarget(p []byte) (target []byte, ok bool) {
	rest, ok := bytes.CutPrefix(p, []byte("POST "))
	if !ok {
		return nil, false
	}
	target, rest, ok = bytes.Cut(rest, []byte{' '})
	return target, ok && len(target) > 0 && target[0] == '/' && bytes.HasPrefix(rest, []byte("HTTP/1.1\r\n"))
}

// maxLines bounds the header: its lines are kept as long as the connection, and very many
// short ones would take far more memory than they have bytes.
const maxLines = 64

// read reads the head of a request at the beginning of p, which may grow up to room bytes,
// into x. It returns the size of the request with its body, of which a part may be missing,
// or false if the request is left to net/http.
func (x *exchange) read(p []byte, room int) (size int, ok bool) {
	target, ok := cutTarget(p)
	head := bytes.Index(p, []byte(headEnd))
	if !ok || head < 0 || !x.conn.server.options.Serves(target) || !x.setTarget(target) {
		return 0, false
	}
	lines := p[len("POST ")+len(target)+len(" HTTP/1.1\r\n") : head+len(headEnd)/2]
	x.length = -1
	x.host = ""
	clear(x.header)
	for n := 0; len(lines) > 0; n++ {
		at := bytes.Index(lines, []byte("\r\n"))
		if n == maxLines || !x.setLine(n, lines[:at]) {
			return 0, false
		}
		lines = lines[at+2:]
	}
	size = head + len(headEnd) + x.length
	return size, x.length >= 0 && x.host != "" && size <= room
}

// setTarget sets the URL of the request.
func (x *exchange) setTarget(target []byte) bool {
	if string(target) != x.target {
		u, err := url.ParseRequestURI(string(target))
		if err != nil {
			return false
		}
		x.target, x.parsed = string(target), *u
	}
	x.url = x.parsed // the handler may have changed it
	return true
}

// setLine reads line n of the header.
func (x *exchange) setLine(n int, text []byte) bool {
	if n == len(x.lines) {
		x.lines = append(x.lines, line{})
	}
	l := &x.lines[n]
	if string(text) != l.text && !l.parse(text) {
		return false
	}
	if x.header[l.name] != nil {
		return false
	}
	switch l.name {
	case "Transfer-Encoding", "Expect", "Upgrade", "Trailer", "Te", "Http2-Settings", "Proxy-Connection", "Pragma":
		return false
	case "Connection":
		if !strings.EqualFold(l.list[0], "keep-alive") {
			return false
		}
	case "Content-Length":
		length, err := strconv.ParseUint(l.list[0], 10, 24) // a longer body does not fit
		if err != nil {
			return false
		}
		x.length = int(length)
	case "Host":
		if x.host != "" || !isHost(l.list[0]) {
			return false
		}
		x.host = l.list[0]
		return true // as in net/http, not in the header
	}
	x.header[l.name] = l.list[:1:1]
	return true
}

// parse parses a line of the header (RFC 9112 §5), strictly: without white space before
// the colon, and without control characters.
func (l *line) parse(text []byte) bool {
	*l = line{}
	name, value, ok := bytes.Cut(text, []byte{':'})
	if !ok || len(name) == 0 {
		return false
	}
	for _, c := range name {
		if !isLetter(c) && !isDigit(c) && c != '-' && c != '_' {
			return false
		}
	}
	value = bytes.Trim(value, " \t")
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	l.text = string(text)
	l.name = http.CanonicalHeaderKey(l.text[:len(name)])
	l.list[0] = string(value)
	return true
}

// isHost reports whether a host has only characters that cannot be misread.
func isHost(host string) bool {
	for i := range len(host) {
		if c := host[i]; !isLetter(c) && !isDigit(c) && strings.IndexByte(".-_:[]", c) < 0 {
			return false
		}
	}
	return host != ""
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
