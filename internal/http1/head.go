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

// cutLine returns the method and the target of a request line in HTTP/1.1, if its method is
// served.
func cutLine(p []byte) (method string, target []byte, ok bool) {
	for _, method = range [...]string{http.MethodPost, http.MethodGet} {
		if rest, found := bytes.CutPrefix(p, []byte(method)); found && len(rest) > 0 && rest[0] == ' ' {
			target, rest, ok = bytes.Cut(rest[1:], []byte{' '})
			return method, target, ok && len(target) > 0 && target[0] == '/' && bytes.HasPrefix(rest, []byte("HTTP/1.1\r\n"))
		}
	}
	return "", nil, false
}

// maxLines bounds the header: its lines are kept as long as the connection, and very many
// short ones would take far more memory than they have bytes.
const maxLines = 64

// read reads the head of a request at the beginning of p, which may grow up to room bytes,
// into x. It returns the size of the request with its body, of which a part may be missing,
// or false if the request is left to net/http.
func (x *exchange) read(p []byte, room int) (size int, ok bool) {
	method, target, ok := cutLine(p)
	head := bytes.Index(p, []byte(headEnd))
	if !ok || head < 0 || !x.conn.server.options.Serves(method, target) || !x.setTarget(target) {
		return 0, false
	}
	lines := p[len(method)+len(" ")+len(target)+len(" HTTP/1.1\r\n") : head+len(headEnd)/2]
	x.method, x.length, x.host, x.upgrade = method, -1, "", upgrade{}
	clear(x.header)
	for n := 0; len(lines) > 0; n++ {
		at := bytes.Index(lines, []byte("\r\n"))
		if n == maxLines || !x.setLine(n, lines[:at]) {
			return 0, false
		}
		lines = lines[at+2:]
	}
	if !x.fits() {
		return 0, false
	}
	size = head + len(headEnd) + x.length
	return size, size <= room
}

// fits reports whether the lines of the header are those of a request that is served.
func (x *exchange) fits() bool {
	if x.host == "" || x.header["Pragma"] != nil && x.header["Cache-Control"] == nil { // net/http adds the latter
		return false
	}
	if x.method == http.MethodPost {
		return x.length >= 0 && x.upgrade == (upgrade{})
	}
	ok := x.length < 0 && x.handshake()
	x.length = 0
	return ok
}

// upgrade says which of the headers of a WebSocket handshake a request has (RFC 6455 §4.2.1).
type upgrade struct{ connection, websocket bool }

// handshake reports whether the request is a WebSocket handshake.
func (x *exchange) handshake() bool {
	version := x.header["Sec-Websocket-Version"]
	return x.upgrade == upgrade{true, true} && len(version) == 1 && version[0] == "13"
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
	case "Transfer-Encoding", "Expect", "Trailer", "Te", "Http2-Settings", "Proxy-Connection":
		return false
	case "Connection":
		switch {
		case strings.EqualFold(l.list[0], "upgrade"), strings.EqualFold(l.list[0], "keep-alive, upgrade"):
			x.upgrade.connection = true
		case !strings.EqualFold(l.list[0], "keep-alive"):
			return false
		}
	case "Upgrade":
		if x.upgrade.websocket = strings.EqualFold(l.list[0], "websocket"); !x.upgrade.websocket {
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
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	l.text = string(text)
	l.name = http.CanonicalHeaderKey(l.text[:len(name)])
	l.list[0] = strings.Trim(l.text[len(name)+1:], " \t")
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
