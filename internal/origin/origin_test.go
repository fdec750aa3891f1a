package origin

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

func TestSame(t *testing.T) {
	t.Parallel()
	const plain, secure, proxied = "", "tls", "https"
	for _, test := range []struct {
		origin, host, by string
		want             bool
	}{
		{"http://a", "a", plain, true},
		{"http://a", "A:80", plain, true},
		{"http://A:80", "a", plain, true},
		{"http://a:8080", "a:8080", plain, true},
		{"http://a:8080", "a", plain, false},
		{"http://a", "a:8080", plain, false},
		{"http://a", "b", plain, false},
		{"https://a", "a", secure, true},
		{"https://a", "a:443", secure, true},
		{"https://a:443", "a", secure, true},
		{"https://a", "a:443", proxied, true},
		{"https://a", "a:80", secure, false},
		// A page of http can be modified on the wire: it has not the origin of a secure server.
		{"http://a", "a", secure, false},
		{"http://a", "a", proxied, false},
		{"http://a:443", "a:443", secure, false},
		// Behind an untrusted proxy https cannot be distinguished from http.
		{"https://a", "a", plain, true},
		{"https://a", "a:443", plain, true},
		{"https://a", "a:80", plain, false},
		{"http://[::1]:8080", "[0:0:0:0:0:0:0:1]:8080", plain, true},
		{"http://[::1]", "[::1]", plain, true},
		{"http://xn--bcher-kva.example", "bücher.example", plain, true},
		{"http://bücher.example", "XN--BCHER-KVA.example", plain, true},
		{"null", "", plain, false},
		{"file://", "", plain, false},
		{"http://", "", plain, false},
		{"http://:80", ":80", plain, false},
		{"null", "null", plain, false},
		{"ftp://a", "a", plain, false},
		{"chrome-extension://a", "a", plain, false},
		{"ws://a", "a", plain, false},
		{"http://a/", "a", plain, false},
		{"http://a/b", "a", plain, false},
		{"http://a@b", "b", plain, false},
		{"http://u@a", "a", plain, false},
		{"http://a?", "a", plain, false},
		{"http://a#", "a", plain, false},
		{"http://a ", "a", plain, false},
		{"http://a,http://a", "a", plain, false},
		{"http://a:99999", "a:99999", plain, false},
		{"http://a:", "a:", plain, false},
		{"a", "a", plain, false},
		{"", "a", plain, false},
	} {
		r := &http.Request{Host: test.host, URL: new(url.URL)}
		switch test.by {
		case secure:
			r.TLS = new(tls.ConnectionState)
		case proxied:
			r.URL.Scheme = "https"
		}
		o, ok := Parse(test.origin)
		if got := ok && Same(o, r); got != test.want {
			t.Errorf("Origin %q, Host %q, %q: %t", test.origin, test.host, test.by, got)
		}
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, origin string
		want            bool
	}{
		{"https://a", "https://a", true},
		{"https://a:443", "https://a", true},
		{"https://a", "https://a:443", true},
		{"https://a", "http://a", false},
		{"https://a", "https://a:444", false},
		{"HTTPS://App.Example.com", "https://app.example.com", true},
		{"https://bücher.example", "https://xn--bcher-kva.example", true},
		{"https://xn--bcher-kva.example", "https://bücher.example", true},
		{"https://*.bücher.example", "https://a.xn--bcher-kva.example", true},
		{"https://*.example.org", "https://a.example.org", true},
		{"https://*.example.org", "https://a.b.example.org", true},
		{"https://*.example.org:8443", "https://a.example.org:8443", true},
		{"https://*.example.org", "https://a.example.org:8443", false},
		{"https://*.example.org", "https://example.org", false},
		{"https://*.example.org", "https://.example.org", false},
		{"https://*.example.org", "https://evil.com/.example.org", false},
		{"https://*.example.org", "https://evil.com#.example.org", false},
		{"https://*.example.org", "https://evil.com?.example.org", false},
		{"https://*.example.org", "https://evil.com:1.example.org", false},
		{"https://*.example.org", "https://evil.com@a.example.org", false},
		{"https://*.example.org", "https://evil.com\\.example.org", false},
		{"https://*.example.org", "https://aexample.org", false},
		{"https://*.example.org", "https://a.example.org.evil", false},
		{"https://*.example.org", "http://a.example.org", false},
		{"https://app-*.example.org", "https://app-7.example.org", true},
		{"https://app-*.example.org", "https://app-7.evil.example.org", false},
		{"http://*", "http://localhost", true},
		{"http://*", "http://localhost:5173", false},
		{"capacitor://localhost", "capacitor://localhost", true},
		{"chrome-extension://abcdef", "chrome-extension://abcdef", true},
		{"*", "https://a", true},
		{"*", "null", true},
		{"https://*.example.org", "null", false},
		{"https://*.example.org", "", false},
	} {
		p, err := ParsePattern(test.pattern)
		if err != nil {
			t.Errorf("pattern %q: %v", test.pattern, err)
		}
		if got := (Patterns{p}).Match(test.origin); got != test.want {
			t.Errorf("pattern %q, origin %q: %t", test.pattern, test.origin, got)
		}
	}
	for _, pattern := range []string{
		"", "a", "example.com", "https://", "https://a/", "https://a/*", "https://a/b", "null", "file://",
		"*://a", "https*://a", "http://localhost:*", "https://a:x", "https://*.a:99999", "https://a b",
		"https://*..a", "https://.*", "https://*.a@b", "https://[*]",
	} {
		if _, err := ParsePattern(pattern); err == nil {
			t.Errorf("pattern %q is taken", pattern)
		}
	}
}

// FuzzOrigin checks that an accepted origin is unchanged after formatting and parsing it
// again, and that it matches no pattern it must not match.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{
		"https://a.example.org", "http://[::1]:80", "https://bücher.example", "null", "file://",
		"https://evil.com/.example.org", "https://a:443", "https://a.example.org:0443", "HTTPS://A", "x+y://z",
	} {
		f.Add(s, "a.example.org:443")
	}
	p, err := ParsePattern("https://*.example.org")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, host string) {
		o, ok := Parse(text)
		if !ok {
			if (Patterns{p}).Match(text) {
				t.Fatalf("%q is not an origin, but matches", text)
			}
			return
		}
		u := url.URL{Scheme: o.Scheme, Host: o.authority()}
		again, ok := Parse(u.Scheme + "://" + u.Host)
		if !ok || again != o {
			t.Fatalf("%q is %+v, and again %+v", text, o, again)
		}
		// A URL's own parser agrees on where the host ends.
		parsed, err := url.Parse(u.String())
		if err != nil || parsed.Path != "" || parsed.User != nil {
			t.Fatalf("%q: %v, %+v", text, err, parsed)
		}
		if Same(o, &http.Request{Host: host, URL: new(url.URL)}) {
			if own, ok := ParseHost(o.Scheme, host); !ok || own.Host != o.Host || o.Host == "" {
				t.Fatalf("%q is the same as Host %q", text, host)
			}
		}
	})
}

// authority formats host and port as in a URL.
func (o Origin) authority() string {
	host := o.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.Port != defaultPort(o.Scheme) {
		host += ":" + strconv.Itoa(int(o.Port))
	}
	return host
}
