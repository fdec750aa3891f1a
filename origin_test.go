package wirepost_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/wirepost/wirepost"
)

func TestOrigins(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		o.AllowOrigins = []string{"https://*.example.com", "https://a.test:443", "https://bücher.example"}
	})
	for _, test := range []struct {
		origin, host string
		want         int
	}{
		{"", "", 101},
		{"http://" + n.host, "", 101},
		{"https://" + n.host, "", 101}, // a proxy may terminate TLS
		{"https://app.example.com", "", 101},
		{"https://a.test", "", 101},
		{"https://xn--bcher-kva.example", "", 101},
		{"http://push.test", "push.test:80", 101},
		{"https://push.test", "push.test:443", 101},
		{"https://evil.test", "", 403},
		{"https://example.com.bad", "", 403},
		{"https://evil.com/.example.com", "", 403},
		{"http://app.example.com", "", 403},
		{"ftp://" + n.host, "", 403},
		{"null", "", 403},
		{"null", "null", 403},
		{"file://", "", 403},
	} {
		h := http.Header{}
		if test.origin != "" {
			h.Set("Origin", test.origin)
		}
		if test.host != "" {
			h.Set("Host", test.host)
		}
		c, resp, err := n.dialer.Dial("ws://"+n.host+"/ws?user=42", h)
		if resp == nil || resp.StatusCode != test.want {
			t.Errorf("origin %q to %q: %v, %v, want %d", test.origin, test.host, resp, err, test.want)
		}
		if c != nil {
			c.Close()
		}
	}
}

// A request without a Host has no own origin.
func TestARequestWithoutAHostHasNoOrigin(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	for _, origin := range []string{"null", "file://", "http://", "https://"} {
		c, err := net.Dial("tcp", n.host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /poll?user=42&wait=0 HTTP/1.0\r\nOrigin: %s\r\n\r\n", origin)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 403 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("Origin %s: %v %v", origin, resp, err)
		}
	}
}
