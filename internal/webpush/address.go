package webpush

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// An endpoint comes from a client, so a server that would send to any endpoint could be made
// to send requests into the network that it is in (SSRF). The address that a connection goes
// to is checked after the name was resolved, when the socket is about to be connected: what
// the name resolves to before and after does not matter.

// errAddress says that an endpoint has an address that requests are not sent to.
var errAddress = errors.New("not a public address")

// reserved are networks that are neither private nor global (RFC 6890 and IANA's registries of
// special-purpose addresses).
var reserved = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "3fff::/20",
)

var (
	global6    = netip.MustParsePrefix("2000::/3")
	nat64      = netip.MustParsePrefix("64:ff9b::/96") // the last 32 bits are an IPv4 address
	sixToFour  = netip.MustParsePrefix("2002::/16")    // the 32 bits after it
	ipv4Offset = map[netip.Prefix]int{nat64: 12, sixToFour: 2}
)

func prefixes(list ...string) (all []netip.Prefix) {
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

// public reports whether an address is one of the public Internet. An address that stands
// for an IPv4 address is public if that one is.
func public(ip netip.Addr) bool {
	ip = ip.Unmap()
	if ip.Zone() != "" {
		return false
	}
	for network, at := range ipv4Offset {
		if network.Contains(ip) {
			b := ip.As16()
			return public(netip.AddrFrom4([4]byte(b[at : at+4])))
		}
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.Is6() && !global6.Contains(ip) {
		return false
	}
	for _, network := range reserved {
		if network.Contains(ip) {
			return false
		}
	}
	return true
}

// allows reports whether requests may be sent to an address.
func (e *Exceptions) allows(ip netip.Addr) bool {
	plain := ip.Unmap()
	if public(ip) || e.Loopback && plain.IsLoopback() {
		return true
	}
	for _, network := range e.networks {
		if network.Contains(plain) {
			return true
		}
	}
	return false
}

// checkEndpoint checks what can be known of an endpoint without resolving its name.
func (e *Exceptions) checkEndpoint(u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	ip, err := netip.ParseAddr(host)
	literal := err == nil
	local := host == "localhost" || strings.HasSuffix(host, ".localhost") || literal && ip.Unmap().IsLoopback()
	switch {
	case u.Scheme == "http" && local && e.Loopback:
	case u.Scheme != "https":
		return errors.New("it must begin with https://")
	}
	switch {
	case e.hosts[host]:
	case literal && !e.allows(ip), local && !e.Loopback && !literal:
		return fmt.Errorf("%s is %w", host, errAddress)
	}
	return nil
}

// dialer returns the function that connects to push services. It resolves a name and
// connects to the first of its addresses that is allowed and responds.
func (e *Exceptions) dialer(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	guarded := &net.Dialer{Timeout: timeout, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil || !e.allows(at.Addr()) {
			return errAddress
		}
		return nil
	}}
	plain := &net.Dialer{Timeout: timeout}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(address)
		if e.hosts[strings.ToLower(host)] {
			return plain.DialContext(ctx, network, address)
		}
		return guarded.DialContext(ctx, network, address)
	}
}
