package dial

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/proxy"
)

// ProxyError says that there was no way through a proxy.
type ProxyError struct {
	Proxy  string // its URL, without a password
	Status int    // of its response, if there was one
	Err    error  // else what went wrong
}

func (e *ProxyError) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("proxy %s: it answered %d %s", e.Proxy, e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("proxy %s: %v", e.Proxy, e.Err)
}

// Unwrap gives what went wrong.
func (e *ProxyError) Unwrap() error { return e.Err }

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// Dial implements proxy.Dialer.
func (f dialFunc) Dial(network, address string) (net.Conn, error) {
	return f(context.Background(), network, address)
}

// DialContext implements proxy.ContextDialer.
func (f dialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

func (o *Options) dialer() dialFunc {
	if o.DialContext != nil {
		return o.DialContext
	}
	return new(net.Dialer).DialContext
}

// proxyFor is the proxy for a URL, nil for none.
func (o *Options) proxyFor(u *url.URL) (*url.URL, error) {
	choose := o.Proxy
	if choose == nil {
		if o.DialContext != nil {
			return nil, nil // it connects by itself
		}
		choose = http.ProxyFromEnvironment
	}
	return choose(&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: http.Header{}})
}

// reach makes the connection to a host, through a proxy where there is one for the
// URL.
func (o *Options) reach(ctx context.Context, u *url.URL) (net.Conn, error) {
	via, err := o.proxyFor(u)
	if err != nil {
		return nil, &url.Error{Op: "dial", URL: u.Redacted(), Err: fmt.Errorf("the proxy's settings: %w", err)}
	}
	if via == nil {
		return o.dialer()(ctx, "tcp", hostPort(u))
	}
	nc, err := o.through(ctx, via, hostPort(u))
	if err != nil {
		if _, worded := errors.AsType[*ProxyError](err); !worded {
			err = &ProxyError{Proxy: via.Redacted(), Err: err}
		}
		return nil, err
	}
	return nc, nil
}

var defaultPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = defaultPorts[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// through connects to a host by way of a proxy.
func (o *Options) through(ctx context.Context, via *url.URL, host string) (net.Conn, error) {
	switch via.Scheme {
	case "http", "https":
	case "socks5", "socks5h":
		return o.socks(ctx, via, host)
	default:
		return nil, fmt.Errorf("%q is not http, https, socks5 or socks5h", via.Scheme)
	}
	nc, err := o.dialer()(ctx, "tcp", hostPort(via))
	if err != nil {
		return nil, err
	}
	if via.Scheme == "https" {
		if nc, err = secure(ctx, nc, via, o.TLSConfig); err != nil {
			return nil, err
		}
	}
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // then it hangs up
	err = tunnel(nc, via, host)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}

// tunnel asks a proxy for a way to a host (RFC 9110 §9.3.6).
func tunnel(nc net.Conn, via *url.URL, host string) error {
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: host}, Host: host, Header: http.Header{}}
	if u := via.User; u != nil {
		password, _ := u.Password()
		r.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)))
	}
	var head bytes.Buffer
	if err := r.Write(&head); err != nil {
		return err
	}
	if _, err := nc.Write(head.Bytes()); err != nil {
		return err
	}
	in := bufio.NewReader(io.LimitReader(nc, maxResponse))
	response, err := http.ReadResponse(in, r)
	switch {
	case err != nil:
		return err
	case response.StatusCode/100 != 2:
		return &ProxyError{Proxy: via.Redacted(), Status: response.StatusCode}
	case in.Buffered() > 0:
		return errors.New("it sent bytes before the tunnel was in use")
	}
	return nil
}

// socks does the same with a SOCKS5 proxy, which resolves names (RFC 1928).
func (o *Options) socks(ctx context.Context, via *url.URL, host string) (net.Conn, error) {
	var auth *proxy.Auth
	if u := via.User; u != nil {
		auth = &proxy.Auth{User: u.Username()}
		auth.Password, _ = u.Password()
	}
	d, err := proxy.SOCKS5("tcp", hostPort(via), auth, o.dialer())
	if err != nil {
		return nil, err
	}
	return d.(proxy.ContextDialer).DialContext(ctx, "tcp", host)
}

// secure speaks TLS with the host of a URL. With an error the connection is closed.
func secure(ctx context.Context, nc net.Conn, u *url.URL, cfg *tls.Config) (net.Conn, error) {
	if cfg = cfg.Clone(); cfg == nil {
		cfg = &tls.Config{}
	}
	if cfg.ServerName == "" {
		cfg.ServerName = u.Hostname()
	}
	cfg.NextProtos = []string{"http/1.1"} // there is no upgrade in HTTP/2
	c := tls.Client(nc, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}
