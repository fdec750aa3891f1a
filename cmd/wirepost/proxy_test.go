package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTrustedProxies(t *testing.T) {
	var trusted proxies
	for _, text := range []string{"10.0.0.0/8", "192.0.2.7", "fd00::/8"} {
		var n network
		if err := n.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		trusted = append(trusted, n)
	}
	for _, tc := range []struct {
		name, peer string
		headers    []string // X-Forwarded-For
		want       string
	}{
		{"a stranger", "203.0.113.9:1234", []string{"198.51.100.1"}, "203.0.113.9:1234"},
		{"a stranger next to the network", "11.0.0.1:1234", []string{"198.51.100.1"}, "11.0.0.1:1234"},
		{"a proxy without the header", "10.1.2.3:1234", nil, "10.1.2.3:1234"},
		{"a proxy with an empty one", "10.1.2.3:1234", []string{""}, "10.1.2.3:1234"},
		{"a proxy", "10.1.2.3:1234", []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"a single address", "192.0.2.7:1234", []string{"198.51.100.1"}, "198.51.100.1:0"},
		{"over IPv6", "[fd00::1]:1234", []string{"2001:db8::1"}, "[2001:db8::1]:0"},
		{"IPv4 in IPv6", "[::ffff:10.1.2.3]:1234", []string{"::ffff:198.51.100.1"}, "198.51.100.1:0"},
		{"with a port", "10.1.2.3:1234", []string{"198.51.100.1:5678"}, "198.51.100.1:5678"},
		{"with a port over IPv6", "10.1.2.3:1234", []string{"[2001:db8::1]:5678"}, "[2001:db8::1]:5678"},
		{"in brackets", "10.1.2.3:1234", []string{"[2001:db8::1]"}, "[2001:db8::1]:0"},
		{"two proxies", "10.1.2.3:1234", []string{"198.51.100.1, 10.9.9.9"}, "198.51.100.1:0"},
		{"two headers", "10.1.2.3:1234", []string{"198.51.100.1", "10.9.9.9"}, "198.51.100.1:0"},
		{"made up by the client", "10.1.2.3:1234", []string{"127.0.0.1, 198.51.100.1"}, "198.51.100.1:0"},
		{"a proxy made up by the client", "10.1.2.3:1234", []string{"10.6.6.6, 198.51.100.1, 10.9.9.9"}, "198.51.100.1:0"},
		{"made up in a header of its own", "10.1.2.3:1234", []string{"127.0.0.1", "198.51.100.1"}, "198.51.100.1:0"},
		{"proxies alone", "10.1.2.3:1234", []string{"10.6.6.6, 10.9.9.9"}, "10.6.6.6:0"},
		{"nonsense", "10.1.2.3:1234", []string{"unknown"}, "10.1.2.3:1234"},
		{"nonsense to the left", "10.1.2.3:1234", []string{"unknown, 10.9.9.9"}, "10.9.9.9:0"},
		{"a name", "10.1.2.3:1234", []string{"localhost"}, "10.1.2.3:1234"},
		{"a zone", "10.1.2.3:1234", []string{"fe80::1%eth0"}, "[fe80::1]:0"},
		{"no address at all", "@", []string{"198.51.100.1"}, "@"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/ws", nil)
			r.RemoteAddr = tc.peer
			for _, h := range tc.headers {
				r.Header.Add("X-Forwarded-For", h)
			}
			// Headers of other peers are ignored.
			r.Header.Set("X-Real-IP", "127.0.0.1")
			r.Header.Set("Forwarded", "for=127.0.0.1")
			got := ""
			h := trusted.believe(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr }))
			if h.ServeHTTP(httptest.NewRecorder(), r); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestTrustedProxiesSayTheScheme checks that the scheme is trusted under the same
// rules as the address.
func TestTrustedProxiesSayTheScheme(t *testing.T) {
	var trusted network
	if err := trusted.UnmarshalText([]byte("10.0.0.0/8")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		peer   string
		protos []string
		want   string
	}{
		{"10.1.2.3:1234", []string{"https"}, "https"},
		{"10.1.2.3:1234", []string{"HTTPS, http"}, "https"},
		{"10.1.2.3:1234", []string{"http", "https"}, "https"},
		{"10.1.2.3:1234", []string{"http"}, ""},
		{"10.1.2.3:1234", []string{"httpsx"}, ""},
		{"10.1.2.3:1234", nil, ""},
		{"203.0.113.9:1234", []string{"https"}, ""},
	} {
		r := httptest.NewRequest("GET", "/ws", nil)
		r.RemoteAddr, r.Header["X-Forwarded-Proto"] = tc.peer, tc.protos
		got := ""
		h := proxies{trusted}.believe(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.URL.Scheme }))
		if h.ServeHTTP(httptest.NewRecorder(), r); got != tc.want {
			t.Errorf("%s, %q: the scheme is %q", tc.peer, tc.protos, got)
		}
	}
}

// TestNoTrustedProxy checks that without trusted proxies all headers are ignored.
func TestNoTrustedProxy(t *testing.T) {
	r := httptest.NewRequest("GET", "/ws", nil)
	r.Header.Set("X-Forwarded-For", "127.0.0.1")
	want, got := r.RemoteAddr, ""
	proxies(nil).believe(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RemoteAddr })).
		ServeHTTP(httptest.NewRecorder(), r)
	if got != want {
		t.Errorf("got %s", got)
	}
}
