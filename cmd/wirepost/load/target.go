package load

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Target is the server under load.
type Target struct {
	URL    *url.URL // http or https, without a slash at the end
	APIKey string
	// Token returns a token that allows a user to subscribe to channels. Nil is for
	// a server in dev mode, where the URL names the user.
	Token func(user string, channels []string) (string, error)
}

const dialTimeout = 15 * time.Second

// address resolves the host once, for thousands of connections.
func (t *Target) address(ctx context.Context) (netip.AddrPort, error) {
	port := t.URL.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[t.URL.Scheme]
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.URL.Hostname())
	if err != nil || len(ips) == 0 {
		return netip.AddrPort{}, fmt.Errorf("find %s: %w", t.URL.Hostname(), err)
	}
	best := ips[0].Unmap()
	for _, ip := range ips {
		if ip.Unmap().Is4() { // it has more loopback addresses to spread over
			best = ip.Unmap()
			break
		}
	}
	return netip.ParseAddrPort(net.JoinHostPort(best.String(), port))
}

// request returns the head of an HTTP request, up to its specific headers.
func (t *Target) request(method, path string, query url.Values) string {
	u := url.URL{Path: t.URL.Path + path, RawQuery: query.Encode()}
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n", method, u.RequestURI(), t.URL.Host)
}

func (t *Target) authorization() string {
	if t.APIKey == "" {
		return ""
	}
	return "Authorization: Bearer " + t.APIKey + "\r\n"
}

func (t *Target) secure() bool { return t.URL.Scheme == "https" }

// wrap adds TLS if the target uses it.
func (t *Target) wrap(ctx context.Context, c net.Conn) (net.Conn, error) {
	if !t.secure() {
		return c, nil
	}
	secured := tls.Client(c, &tls.Config{ServerName: t.URL.Hostname()})
	if err := secured.HandshakeContext(ctx); err != nil {
		c.Close() //nolint:errcheck // it is of no use
		return nil, err
	}
	return secured, nil
}

// dial connects for requests.
func (t *Target) dial(ctx context.Context) (net.Conn, error) {
	at, err := t.address(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	return t.wrap(ctx, c)
}

// call makes an occasional request, whose cost does not matter.
func (t *Target) call(ctx context.Context, method, path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, t.URL.String()+path, nil)
	if err != nil {
		return nil, err
	}
	if t.APIKey != "" {
		r.Header.Set("Authorization", "Bearer "+t.APIKey)
	}
	return http.DefaultClient.Do(r)
}

// refusal returns the error of an unsuccessful response.
func refusal(r *http.Response, body []byte) error {
	text := strings.TrimSpace(string(body))
	if detail := problemDetail(body); detail != "" {
		text = detail
	}
	if text == "" {
		return fmt.Errorf("the server answered %s", r.Status)
	}
	return fmt.Errorf("the server answered %s: %.200q", r.Status, text)
}
