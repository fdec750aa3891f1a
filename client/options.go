package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options of Dial; the zero value works with a server in dev mode.
type Options struct {
	// Token returns the token to connect with. It is called for each connection, again
	// when the server says that the token has expired, and up to 30 s before that, so
	// that the connection can continue with a new one. An error is treated like one of
	// the network: the client calls again.
	Token func(context.Context) (string, error)
	// Nodes are the URLs of the other nodes of a cluster, as for Dial. The client stays at
	// one node until the connection ends; then, and when a node cannot be reached, refuses
	// with 503 or does not answer, it goes to the next. It pauses when it has tried all of
	// them, and after a connection has ended, so that the clients of a node that fails do
	// not all connect to the others at once. The order is random.
	Nodes []string
	// InOrder begins at the URL of Dial and keeps to the order of Nodes.
	InOrder bool
	// Device names this one of the user's devices: the server keeps cursors for each.
	// "" means the name that Store keeps, a random one at first, or without a Store the
	// user's default device.
	Device string
	// Channels to subscribe to besides the inbox, all and the memberships. The server
	// refuses the connection with 403 if one of them is forbidden.
	Channels []string
	// After is the sequence after which to begin in a channel, instead of at the cursor
	// that the server keeps for the device; "" as the only key stands for the inbox. It
	// is ignored for a channel whose cursor Store keeps.
	After map[string]uint64
	// Store keeps the cursors when the program ends; nil keeps them in memory. Close
	// closes it.
	Store Store
	// ManualAck leaves acknowledging to Message.Ack.
	ManualAck bool
	// OnEvent is called with everything that is not a message, in order with the
	// messages, by the goroutine that ranges over Messages. Dial calls it for failed
	// attempts.
	OnEvent func(Event)

	Header    http.Header // sent with each handshake
	TLSConfig *tls.Config // of wss
	// DialContext makes the network connection; nil means net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Proxy returns the proxy for a handshake, nil for none, as in http.Transport; its
	// request has an http URL for ws and https for wss. An http or https proxy is asked
	// for a tunnel (CONNECT), with the name and password in its URL. nil means
	// http.ProxyFromEnvironment, or no proxy if DialContext is set.
	Proxy func(*http.Request) (*url.URL, error)
	// MaxMessage is the largest frame accepted, in bytes; 0 means 16 MiB.
	MaxMessage int
	// MinWait and MaxWait bound the pause before another connection to a node: a random
	// time up to a limit that doubles from MinWait to MaxWait. 0 means 1 s and 30 s.
	MinWait, MaxWait time.Duration
}

// StaticToken is an Options.Token that always returns the same token.
func StaticToken(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

// handshakeTimeout bounds one attempt to connect, up to the server's hello.
const handshakeTimeout = 30 * time.Second

func (o *Options) complete() error {
	if err := checkDurations("Options", map[string]time.Duration{"MinWait": o.MinWait, "MaxWait": o.MaxWait}); err != nil {
		return err
	}
	if o.MaxMessage < 0 {
		return fmt.Errorf("client: Options.MaxMessage is %d: use a positive number, or 0 for 16 MiB", o.MaxMessage)
	}
	if _, inbox := o.After[""]; inbox && len(o.After) > 1 {
		return errors.New(`client: Options.After: the key "" must be the only one: use the name of the inbox`)
	}
	for _, channel := range o.Channels {
		if channel == "" || strings.Contains(channel, ",") {
			return fmt.Errorf("client: Options.Channels: %q is not a channel", channel)
		}
	}
	if o.MinWait == 0 {
		o.MinWait = time.Second
	}
	if o.MaxWait == 0 {
		o.MaxWait = max(30*time.Second, o.MinWait)
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.Store == nil {
		o.Store = new(memoryStore)
	}
	return nil
}

// address is the URL of a connection, with its query.
func address(base *url.URL, device string, channels []string, after, minSeq string) string {
	u, query := *base, base.Query()
	for name, value := range map[string]string{
		"device": device, "channels": strings.Join(channels, ","), "after": after, "min_seq": minSeq,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}
