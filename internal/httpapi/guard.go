package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/glob"
)

// LocalOnly guards a server that asks for no keys, as in development: it refuses
// with 403 what a page of another site could make a browser send. It belongs
// around everything that the listener serves.
//
// The Host must be a loopback name or address, or the address that the connection
// came in at, so that no foreign name can be pointed here (DNS rebinding). The
// Origin, if there is one, must be of the same kind with the port of the Host, or
// match allowOrigins, in which * stands for any run of characters.
func LocalOnly(next http.Handler, allowOrigins ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := checkLocal(r, allowOrigins); err != nil {
			wirepost.WriteError(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func checkLocal(r *http.Request, allowOrigins []string) error {
	if host, _ := splitHost(r.Host); !isLocal(host, r) {
		return &wirepost.Error{
			Code: wirepost.Forbidden, Field: "Host",
			Message: "in development mode this server answers only to localhost and its own address",
		}
	}
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		// Images, scripts and the like carry no Origin; a link that was followed
		// may come from anywhere.
		if r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			return foreignOrigin()
		}
		return nil
	case isOwnOrigin(origin, r):
		return nil
	}
	for _, allowed := range allowOrigins {
		if glob.Match(strings.ToLower(allowed), strings.ToLower(origin)) {
			return nil
		}
	}
	return foreignOrigin()
}

func foreignOrigin() error {
	return &wirepost.Error{
		Code: wirepost.Forbidden, Field: "Origin",
		Message: "in development mode pages of other origins may not send requests here, unless they are allowed",
	}
}

// isOwnOrigin says whether a page comes from this server, by whichever of its
// names.
func isOwnOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	host, port := splitHost(u.Host)
	_, ownPort := splitHost(r.Host)
	return port == ownPort && isLocal(host, r)
}

// isLocal says whether a host is a loopback name or address, or the address that
// the connection came in at.
func isLocal(host string, r *http.Request) bool {
	host = strings.ToLower(host)
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

// splitHost splits a Host into name and port; the port is "" for the default.
func splitHost(hostport string) (host, port string) {
	if h, p, err := net.SplitHostPort(hostport); err == nil {
		return h, p
	}
	return strings.Trim(hostport, "[]"), ""
}
