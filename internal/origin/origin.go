// Package origin owns the origins of pages (RFC 6454) and the patterns of those that a
// server accepts.
package origin

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Origin is a scheme, a host and a port. Equal values are the same origin.
type Origin struct {
	Scheme string // lower case
	Host   string // a name in lower-case ASCII (IDNA), or an address without brackets
	Port   uint16 // 0: none, and the scheme has no default
}

// Parse reads an origin in the form of RFC 6454 §6.2: scheme, host and an optional port,
// without a path. It refuses the opaque origin "null" and origins without a host, such as
// "file://", because they cannot be compared.
func Parse(text string) (Origin, bool) {
	scheme, authority, ok := strings.Cut(text, "://")
	scheme = strings.ToLower(scheme)
	if !ok || !isScheme(scheme) {
		return Origin{}, false
	}
	return parseAuthority(scheme, authority)
}

// ParseHost reads a Host header, for a scheme.
func ParseHost(scheme, host string) (Origin, bool) { return parseAuthority(scheme, host) }

func parseAuthority(scheme, authority string) (Origin, bool) {
	host, port, ok := splitPort(authority)
	if !ok {
		return Origin{}, false
	}
	o := Origin{Scheme: scheme, Port: defaultPort(scheme)}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return Origin{}, false
		}
		o.Port = uint16(n)
	}
	o.Host, ok = parseHost(host)
	return o, ok
}

// splitPort splits off the port, which is "" if there is none.
func splitPort(authority string) (host, port string, ok bool) {
	colon := strings.LastIndexByte(authority, ':')
	if colon < strings.LastIndexByte(authority, ']') {
		colon = -1 // a part of an address
	}
	if colon < 0 {
		return authority, "", true
	}
	host, port = authority[:colon], authority[colon+1:]
	return host, port, port != ""
}

func defaultPort(scheme string) uint16 {
	switch scheme {
	case "http", "ws":
		return 80
	case "https", "wss":
		return 443
	}
	return 0
}

func parseHost(host string) (string, bool) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		address, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		ok = err == nil && address.Is6() && address.Zone() == "" && strings.HasSuffix(inner, "]")
		return address.String(), ok
	}
	return toASCII(host)
}

// names maps host names as browsers do, and accepts what they accept, including names
// that are not domain names, such as my_host.
var names = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false))

// toASCII converts a name to lower-case ASCII. False means that it is not a host name.
func toASCII(name string) (string, bool) {
	if !isPlain(name) {
		var err error
		if name, err = names.ToASCII(name); err != nil {
			return "", false
		}
	}
	name = strings.ToLower(name)
	valid := name != "" && len(name) <= maxHost && name[0] != '.' && !strings.Contains(name, "..")
	return name, valid && isPlain(name)
}

// maxHost is the longest name of a host, in bytes (RFC 1035 §2.3.4).
const maxHost = 253

// isPlain reports whether a name has only ASCII letters, digits and -._~.
func isPlain(name string) bool {
	for i := range len(name) {
		c := name[i]
		if !isAlphanumeric(c) && strings.IndexByte("-._~", c) < 0 {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// isScheme reports whether text is a scheme (RFC 3986 §3.1), in lower case.
func isScheme(text string) bool {
	for i := range len(text) {
		c := text[i]
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || !isAlphanumeric(c) && strings.IndexByte("+-.", c) < 0) {
			return false
		}
	}
	return text != ""
}

// Same reports whether a page's origin is the server that the request was sent to: the
// same host and port, with the default port of the page's scheme, which is http or https.
// A page of http is refused if the request came by https: over TLS, or by URL.Scheme,
// which is set for a trusted proxy.
//
// If nothing indicates https, a page of https is accepted, too: a proxy may have
// terminated TLS.
func Same(o Origin, r *http.Request) bool {
	secure := r.TLS != nil || strings.EqualFold(r.URL.Scheme, "https")
	if o.Scheme != "https" && (o.Scheme != "http" || secure) {
		return false
	}
	own, ok := ParseHost(o.Scheme, r.Host)
	return ok && own == o
}
