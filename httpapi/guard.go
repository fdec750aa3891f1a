package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/origin"
)

// LocalOnly protects a server without keys, as in development: it refuses, by calling
// refuse with a 403 error, requests that a page of another site could make a browser
// send. It belongs around everything that the listener serves.
//
// The Host must be a loopback name or address, or the address that the connection
// came in at, so that no foreign name can be pointed here (DNS rebinding). The
// Origin, if there is one, must be of the same kind with the port of the Host, or
// match allowOrigins, patterns as in wirepost.Options.
func LocalOnly(next http.Handler, refuse func(http.ResponseWriter, *http.Request, error), allowOrigins ...string) http.Handler {
	allowed := origin.ParsePatterns(allowOrigins)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := checkLocal(r, allowed); err != nil {
			hurryBody(w, r)
			refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func checkLocal(r *http.Request, allowed origin.Patterns) error {
	if own, ok := origin.ParseHost("http", r.Host); !ok || !isLocal(own.Host, r) {
		return &wirepost.Error{
			Code: wirepost.CodeForbidden, Field: "Host",
			Message: "in development mode this server accepts only localhost and its own address as Host",
		}
	}
	header := strings.Join(r.Header["Origin"], ",") // several are no origin that could be allowed
	if header == "" {
		// Images, scripts and the like carry no Origin; a link that was followed
		// may come from anywhere.
		if r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			return foreignOrigin("may not embed what this server has")
		}
		return nil
	}
	o, ok := origin.Parse(header)
	switch {
	case ok && isOwnOrigin(o, r) || allowed.Match(header):
		return nil
	case !ok:
		return foreignOrigin("may not send requests, and this one has no origin that can be allowed, as a file has none: let a server serve the page")
	}
	return foreignOrigin("may not send requests: if this page is yours, start with --allow-origin " + header)
}

// foreignOrigin is the error for a page of another origin. A browser does not show it to the
// page: developers find it in the log.
func foreignOrigin(rule string) error {
	return &wirepost.Error{
		Code: wirepost.CodeForbidden, Field: "Origin", Message: "in development mode pages of other origins " + rule,
	}
}

// isOwnOrigin reports whether a page comes from this server, by whichever of its
// names.
func isOwnOrigin(o origin.Origin, r *http.Request) bool {
	own, ok := origin.ParseHost(o.Scheme, r.Host)
	return ok && (o.Scheme == "http" || o.Scheme == "https") && o.Port == own.Port && isLocal(o.Host, r)
}

// isLocal reports whether a host is a loopback name or address, or the address that
// the connection came in at.
func isLocal(host string, r *http.Request) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") { // RFC 6761 §6.3
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	if ip.IsLoopback() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	own, err := netip.ParseAddrPort(local.String())
	return err == nil && own.Addr().Unmap() == ip.Unmap()
}
