package webpush

import (
	"errors"
	"net/netip"
	"net/url"
	"testing"
)

// TestPublic: addresses in every network that is not the public Internet are refused, also as
// part of an IPv6 address.
func TestPublic(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"169.254.169.254", "100.64.0.1", "100.127.255.255", "224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1",
		"192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "192.88.99.1",
		"::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "ff0e::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8",
		"64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8", "2002:7f00:1::", "2002:a00:1::1", "2001:0:1::1",
		"2001:db8::1", "3fff::1", "100::1", "4000::1",
	} {
		if public(netip.MustParseAddr(address)) {
			t.Errorf("%s passes for public", address)
		}
	}
	for _, address := range []string{
		"8.8.8.8", "1.1.1.1", "142.250.1.188", "100.63.255.255", "100.128.0.1", "172.32.0.1", "2a00:1450:4001::5f", "2606:4700::1111",
		"::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "2001:4860:4860::8888",
	} {
		if !public(netip.MustParseAddr(address)) {
			t.Errorf("%s does not pass for public", address)
		}
	}
}

func TestExceptions(t *testing.T) {
	t.Parallel()
	e, err := ParseExceptions([]string{"push.internal", "10.1.0.0/16", "192.168.7.7", "fd00::/8", "Other_host-1"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"10.1.255.1": true, "10.2.0.1": false, "192.168.7.7": true, "192.168.7.8": false, "fd00::1": true, "fe80::1": false,
		"::ffff:10.1.0.1": true, "127.0.0.1": false, "8.8.8.8": true,
	} {
		if got := e.allows(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	for _, bad := range []string{"", "https://push.internal", "push.internal:443", "10.1.0.0/33", "a..b", "*.internal", "10.0.0.0/8,x"} {
		if _, err := ParseExceptions([]string{bad}); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	local := Exceptions{Loopback: true}
	for endpoint, want := range map[string][3]bool{ // with no exceptions, with those above, with those of a developer
		"https://push.example/x":        {true, true, true},
		"http://push.example/x":         {},
		"https://127.0.0.1/x":           {false, false, true},
		"http://127.0.0.1:8080/x":       {false, false, true},
		"http://localhost:8080/x":       {false, false, true},
		"https://localhost/x":           {false, false, true},
		"https://app.localhost/x":       {false, false, true},
		"https://[::1]/x":               {false, false, true},
		"https://[::ffff:127.0.0.1]/x":  {false, false, true},
		"https://10.1.2.3/x":            {false, true, false},
		"https://169.254.169.254/x":     {},
		"http://10.1.2.3/x":             {},
		"https://push.internal:8443/x":  {true, true, true}, // a name is checked when it is resolved
		"http://push.internal/x":        {},
		"ftp://push.example/x":          {},
		"https://[fd00::1]/x":           {false, true, false},
		"https://[64:ff9b::7f00:1]/x":   {},
		"https://93.184.216.34:8443/xy": {true, true, true},
	} {
		u, err := url.Parse(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		for i, allow := range []*Exceptions{{}, &e, &local} {
			if err := allow.checkEndpoint(u); (err == nil) != want[i] {
				t.Errorf("%s, %d: %v", endpoint, i, err)
			}
		}
	}
}

// TestDialer: the address is checked after the name was resolved, when the connection is made.
func TestDialer(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:443", "localhost:443", "[::1]:443", "10.0.0.1:443", "169.254.169.254:80", "0.0.0.0:443", "[::ffff:127.0.0.1]:443"} {
		var none Exceptions
		conn, err := none.dialer(requestTimeout)(t.Context(), "tcp", address)
		if conn != nil || !errors.Is(err, errAddress) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
