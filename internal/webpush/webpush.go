// Package webpush sends notifications to browsers (RFC 8030): it keeps the subscriptions of
// users and the server's key pair (RFC 8292) in the store, and encrypts what it sends
// (RFC 8291).
//
// Sender is what sends (send.go); Subscriptions reads, stores and removes what browsers are
// subscribed to (subscriptions.go, parse.go); Keys is the key pair (keys.go, vapid.go).
// address.go decides which addresses the server connects to.
package webpush

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// CheckSubject checks the subject of requests: a mailto: or https: URL at which a push service
// can reach the operator (RFC 8292, section 2.1).
func CheckSubject(subject string) error {
	u, err := url.Parse(subject)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a URL", subject)
	case u.Scheme == "mailto":
		if user, host, ok := strings.Cut(u.Opaque, "@"); !ok || user == "" || host == "" || strings.ContainsAny(u.Opaque, " ,<>") {
			return fmt.Errorf("%q has no e-mail address: write mailto:NAME@EXAMPLE.COM", subject)
		}
	case u.Scheme == "https":
		if u.Hostname() == "" {
			return fmt.Errorf("%q has no host", subject)
		}
	default:
		return fmt.Errorf("%q is neither a mailto: nor an https: URL: push services want to know whom to write to, such as mailto:NAME@EXAMPLE.COM", subject)
	}
	return nil
}

// Exceptions are the endpoints that are allowed although their addresses are not public.
type Exceptions struct {
	Loopback bool // any on this machine, also over http
	hosts    map[string]bool
	networks []netip.Prefix
}

// ParseExceptions reads a list of host names, addresses and networks (CIDR).
func ParseExceptions(list []string) (Exceptions, error) {
	e := Exceptions{hosts: map[string]bool{}}
	for _, text := range list {
		if network, err := netip.ParsePrefix(text); err == nil {
			e.networks = append(e.networks, network.Masked())
			continue
		}
		if ip, err := netip.ParseAddr(text); err == nil {
			e.networks = append(e.networks, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		if !isHostName(text) {
			return Exceptions{}, fmt.Errorf("%q is not a host name, an address or a network such as 10.1.0.0/16", text)
		}
		e.hosts[strings.ToLower(text)] = true
	}
	return e, nil
}

func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
