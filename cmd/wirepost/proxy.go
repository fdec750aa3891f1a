package main

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// network is a range of addresses, or a single one; the zero value is the Unix
// socket that the server listens on.
type network netip.Prefix

func (n *network) UnmarshalText(text []byte) error {
	if string(text) == "unix" {
		*n = network{}
		return nil
	}
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil {
		address, err := netip.ParseAddr(string(text))
		if err != nil || address.Zone() != "" {
			return fmt.Errorf("%q is not a network: use a range such as 10.0.0.0/8 or fd00::/8, one address, or unix", text)
		}
		prefix = netip.PrefixFrom(address, address.BitLen())
	}
	if prefix.Addr().Is4In6() {
		return fmt.Errorf("%q is an IPv4 network in IPv6 notation: remove the ::ffff: prefix", text)
	}
	*n = network(prefix)
	return nil
}

// proxies are the networks of trusted proxies.
type proxies []network

func (p proxies) trust(a netip.Addr) bool {
	for _, n := range p {
		if netip.Prefix(n).Contains(a) {
			return true
		}
	}
	return false
}

// trustPeer reports whether the peer of a request is a trusted proxy.
func (p proxies) trustPeer(r *http.Request) bool {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local != nil && local.Network() == "unix" {
		return slices.Contains(p, network{})
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && p.trust(peer.Addr().Unmap())
}

// believe sets the client address and scheme of requests from trusted proxies, as
// given by X-Forwarded-For and X-Forwarded-Proto, before any handler runs. It
// ignores other peers and headers.
func (p proxies) believe(next http.Handler) http.Handler {
	if len(p) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.trustPeer(r) {
			if client, ok := p.client(r); ok {
				r.RemoteAddr = client.String()
			}
			if saysHTTPS(r) {
				r.URL.Scheme = "https"
			}
		}
		next.ServeHTTP(w, r)
	})
}

// client returns the rightmost address of X-Forwarded-For that is not a trusted
// proxy: the client may have forged everything to its left. If all are proxies it
// returns the leftmost; an invalid address ends the list.
func (p proxies) client(r *http.Request) (client netip.AddrPort, ok bool) {
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, valid := parseHop(strings.TrimSpace(hops[i]))
		if !valid {
			break
		}
		client, ok = hop, true
		if !p.trust(hop.Addr()) {
			break
		}
	}
	return client, ok
}

// saysHTTPS reports whether a proxy in front was reached by https.
func saysHTTPS(r *http.Request) bool {
	for _, scheme := range strings.Split(strings.Join(r.Header.Values("X-Forwarded-Proto"), ","), ",") {
		if strings.EqualFold(strings.TrimSpace(scheme), "https") {
			return true
		}
	}
	return false
}

// parseHop parses an address with or without a port; without one the port is 0.
func parseHop(s string) (netip.AddrPort, bool) {
	hop, err := netip.ParseAddrPort(s)
	if err != nil {
		if host, ok := strings.CutPrefix(s, "["); ok {
			s = strings.TrimSuffix(host, "]")
		}
		address, err := netip.ParseAddr(s)
		if err != nil {
			return netip.AddrPort{}, false
		}
		hop = netip.AddrPortFrom(address, 0)
	}
	return netip.AddrPortFrom(hop.Addr().Unmap().WithZone(""), hop.Port()), true
}
