// Package dial is the client side of a WebSocket: Dial does the opening handshake
// (RFC 6455 §4.1), and a Conn carries messages until one side closes it. It knows
// nothing of Wirepost's messages, and leaves the frames to internal/ws.
package dial

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost/internal/ws"
)

// Options are all optional.
type Options struct {
	Header       http.Header // sent in addition to those of the handshake
	Subprotocols []string    // offered, the best first
	// Deflate offers permessage-deflate (RFC 7692) for what the server sends.
	Deflate bool
	// MaxMessage is the largest message taken, in bytes; 0 means 16 MiB.
	MaxMessage int
	TLSConfig  *tls.Config // of wss
	// DialContext makes the connection below; nil means net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Proxy gives the proxy for a request, nil for none: http, https, socks5 or
	// socks5h. It is asked with http for ws and https for wss. nil means
	// http.ProxyFromEnvironment, and no proxy where DialContext is set.
	Proxy func(*http.Request) (*url.URL, error)
}

const (
	defaultMaxMessage = 16 << 20
	// maxResponse bounds what is read before the upgrade, in bytes.
	maxResponse = 64 << 10
	// maxInterim is how many 1xx responses may come before the final one.
	maxInterim = 5
)

// Refusal is a response other than 101: the connection was not upgraded.
type Refusal struct {
	Status int
	Header http.Header
	Body   []byte // its beginning, at most 64 KiB
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the server answered %d %s", r.Status, http.StatusText(r.Status))
}

// HandshakeError is a response of 101 that RFC 6455 §4.1 forbids a client to accept,
// or one that is not HTTP.
type HandshakeError struct{ Reason string }

func (e *HandshakeError) Error() string { return "handshake: " + e.Reason }

// Dial connects to a ws, wss, http or https URL, or to one of a Unix socket (see
// Unix). The context bounds the dialing alone. Errors are a *Refusal, a
// *HandshakeError, a *url.Error for the URL, a *ProxyError, or those of the network.
func Dial(ctx context.Context, address string, o Options) (*Conn, error) {
	rest, dial, err := Unix(address)
	if err != nil {
		return nil, &url.Error{Op: "dial", URL: address, Err: err}
	}
	if dial != nil {
		o.DialContext, o.Proxy = dial, nil
	}
	u, err := parseURL(rest)
	if err != nil {
		return nil, err
	}
	nc, err := connect(ctx, u, &o)
	if err != nil {
		return nil, err
	}
	// A deadline in the past ends every wait of the handshake.
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // then it hangs up
	c, err := handshake(nc, u, &o)
	if !stop() {
		err = ctx.Err()
	}
	if err == nil {
		return c, nil
	}
	if c != nil { // the handshake was done when the context was
		c.CloseNow()
	}
	nc.Close()
	return nil, err
}

// parseURL gives the URL with an http scheme.
func parseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	fail := func(why string) (*url.URL, error) {
		return nil, &url.Error{Op: "dial", URL: u.Redacted(), Err: errors.New(why)}
	}
	switch u.Scheme {
	case "ws", "http":
		u.Scheme = "http"
	case "wss", "https":
		u.Scheme = "https"
	default:
		return fail("the scheme is not ws, wss, http, https or unix")
	}
	if err := CheckHost(u); err != nil {
		return fail(err.Error())
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// CheckHost returns an error if a URL has no host, a port that does not exist, or a user.
func CheckHost(u *url.URL) error {
	if u.Host == "" {
		return errors.New("there is no host")
	}
	if u.User != nil {
		return errors.New("a user in the URL is not sent: use a token or an API key")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("the port is not from 1 to 65535")
		}
	}
	return nil
}

func connect(ctx context.Context, u *url.URL, o *Options) (net.Conn, error) {
	nc, err := o.reach(ctx, u)
	if err != nil || u.Scheme == "http" {
		return nc, err
	}
	return secure(ctx, nc, u, o.TLSConfig)
}

func handshake(nc net.Conn, u *url.URL, o *Options) (*Conn, error) {
	var nonce [16]byte
	rand.Read(nonce[:]) //nolint:errcheck // it never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	r := request(u, o, key)
	var head bytes.Buffer
	if err := r.Write(&head); err != nil {
		return nil, err
	}
	if _, err := nc.Write(head.Bytes()); err != nil {
		return nil, err
	}
	src := &ending{src: nc}
	in := bufio.NewReader(io.LimitReader(src, maxResponse))
	response, err := readResponse(in, r)
	if err != nil {
		return nil, wordRead(err, src.err)
	}
	if err := checkUpgrade(response, key); err != nil {
		return nil, err
	}
	protocol, err := chosenProtocol(response.Header.Values("Sec-Websocket-Protocol"), o.Subprotocols)
	if err != nil {
		return nil, err
	}
	deflate, err := chosenExtension(response.Header.Values("Sec-Websocket-Extensions"), o.Deflate)
	if err != nil {
		return nil, err
	}
	early, _ := in.Peek(in.Buffered())
	return newConn(nc, protocol, early, o.MaxMessage, deflate), nil
}

func request(u *url.URL, o *Options, key string) *http.Request {
	r := &http.Request{
		Method: http.MethodGet, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{},
	}
	for name, values := range o.Header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host := r.Header.Get("Host"); host != "" {
		r.Host = host
		r.Header.Del("Host")
	}
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Sec-Websocket-Version", "13")
	r.Header.Set("Sec-Websocket-Key", key)
	r.Header.Del("Sec-Websocket-Extensions")
	if o.Deflate {
		r.Header.Set("Sec-Websocket-Extensions", ws.DeflateOffer)
	}
	r.Header.Del("Sec-Websocket-Protocol")
	if len(o.Subprotocols) > 0 {
		r.Header.Set("Sec-Websocket-Protocol", strings.Join(o.Subprotocols, ", "))
	}
	return r
}

// readResponse reads the server's response; any but 101 is a *Refusal.
func readResponse(in *bufio.Reader, r *http.Request) (*http.Response, error) {
	for range maxInterim {
		response, err := http.ReadResponse(in, r)
		if err != nil {
			return nil, err
		}
		switch {
		case response.StatusCode == http.StatusSwitchingProtocols:
			return response, nil
		case response.StatusCode >= 200:
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			return nil, &Refusal{Status: response.StatusCode, Header: response.Header, Body: body}
		}
	}
	return nil, &HandshakeError{"too many interim responses"}
}

// ending is a reader that keeps its last error.
type ending struct {
	src io.Reader
	err error
}

func (e *ending) Read(b []byte) (n int, err error) {
	n, err = e.src.Read(b)
	if err != nil {
		e.err = err
	}
	return n, err
}

// wordRead tells a response that is not HTTP from a connection that broke, with the
// error broke. A line that was cut looks like one that is malformed.
func wordRead(err, broke error) error {
	_, refused := errors.AsType[*Refusal](err)
	_, bad := errors.AsType[*HandshakeError](err)
	switch {
	case refused || bad:
		return err
	case broke == io.EOF:
		return fmt.Errorf("handshake: %w", io.ErrUnexpectedEOF)
	case broke != nil:
		return fmt.Errorf("handshake: %w", broke)
	}
	return &HandshakeError{"the response is not HTTP: " + err.Error()}
}

// checkUpgrade does what RFC 6455 §4.1 asks of a client in points 2 to 4.
func checkUpgrade(response *http.Response, key string) error {
	got := response.Header.Values("Sec-Websocket-Accept")
	switch {
	case !response.ProtoAtLeast(1, 1):
		return &HandshakeError{"101 in " + response.Proto}
	case len(response.Header.Values("Upgrade")) != 1 || !strings.EqualFold(response.Header.Get("Upgrade"), "websocket"):
		return &HandshakeError{"the response's Upgrade header is not websocket"}
	case !hasToken(response.Header.Values("Connection"), "upgrade"):
		return &HandshakeError{"the response's Connection header lacks upgrade"}
	case len(got) != 1 || strings.TrimSpace(got[0]) != string(ws.AppendAccept(nil, key)):
		return &HandshakeError{"the response's Sec-WebSocket-Accept is wrong"}
	}
	return nil
}

func hasToken(headers []string, token string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(headers, ","), ","), func(s string) bool {
		return strings.EqualFold(strings.TrimSpace(s), token)
	})
}

// chosenProtocol is point 6: at most one of those that were offered.
func chosenProtocol(headers, offered []string) (string, error) {
	switch {
	case len(headers) == 0:
		return "", nil
	case len(headers) > 1 || !slices.Contains(offered, headers[0]):
		return "", &HandshakeError{"a subprotocol that was not offered"}
	}
	return headers[0], nil
}

// chosenExtension is point 5: none, or the one that was offered.
func chosenExtension(headers []string, offered bool) (deflate bool, err error) {
	if !offered {
		if len(headers) > 0 {
			return false, &HandshakeError{"an extension that was not offered"}
		}
		return false, nil
	}
	if deflate, err = ws.AcceptedDeflate(headers); err != nil {
		return false, &HandshakeError{err.Error()}
	}
	return deflate, nil
}
