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
	// Token gives the token to connect with. It is called for each connection, again
	// when the server says that the token has ended, and some time before that (at
	// most 30 s) to bring a new one without a break. An error is tried again, as
	// one of the network is.
	Token func(context.Context) (string, error)
	// Device is which of the user's devices this is: the server keeps a place for
	// each. "" means the name that Store keeps, which is a random one at first, and
	// without a Store the user's default device.
	Device string
	// Channels to subscribe to besides the inbox, all and the memberships. One that
	// is forbidden is refused with 403.
	Channels []string
	// After says where to begin in a channel, exclusive, instead of where the server
	// knows the device to be; "", alone, stands for the inbox. It does not count for
	// a channel of which Store keeps a place.
	After map[string]uint64
	// Store keeps places over the end of the program; nil keeps them in memory. Close
	// closes it.
	Store Store
	// ManualAck leaves acknowledging to Message.Ack.
	ManualAck bool
	// OnEvent is told of what is no message, in its place among the messages and by
	// the goroutine that ranges over Messages; before that by Dial, of attempts that
	// failed.
	OnEvent func(Event)

	Header    http.Header // sent with each handshake
	TLSConfig *tls.Config // of wss
	// DialContext makes the connection below; nil means net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Proxy gives the proxy for a handshake, nil for none, as in http.Transport; it is
	// asked with an http URL for ws and https for wss. A proxy of http or https is
	// asked for a tunnel (CONNECT), with the name and password in its URL. nil means
	// http.ProxyFromEnvironment, and no proxy where DialContext is set.
	Proxy func(*http.Request) (*url.URL, error)
	// MaxMessage is the largest frame taken, in bytes; 0 means 16 MiB.
	MaxMessage int
	// MinWait and MaxWait bound the pause before another connection: a random time
	// up to a limit that doubles from MinWait to MaxWait. 0 means 1 s and 30 s.
	MinWait, MaxWait time.Duration
}

// StaticToken is a source for Options.Token that has one token only.
func StaticToken(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

// handshakeTimeout bounds one attempt to connect, up to the server's hello.
const handshakeTimeout = 30 * time.Second

func (o *Options) complete() error {
	switch {
	case o.MinWait < 0 || o.MaxWait < 0:
		return errors.New("client: Options.MinWait and MaxWait are not negative")
	case o.MaxMessage < 0:
		return errors.New("client: Options.MaxMessage is not negative")
	}
	if _, inbox := o.After[""]; inbox && len(o.After) > 1 {
		return errors.New("client: Options.After: beside others the inbox has to be named")
	}
	for _, channel := range o.Channels {
		if channel == "" || strings.Contains(channel, ",") {
			return fmt.Errorf("client: Options.Channels: %q is no channel", channel)
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

// address is where to connect, with the query of this connection.
func address(base *url.URL, device string, channels []string, after string) string {
	u, query := *base, base.Query()
	for name, value := range map[string]string{
		"device": device, "channels": strings.Join(channels, ","), "after": after,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}
