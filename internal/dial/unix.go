package dial

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// unixScheme begins the URL of a server at a Unix socket: the socket's path and,
// after another colon, the path and query of the request, as in
// unix:/run/wirepost.sock:/ws?user=42.
const unixScheme = "unix:"

// Unix splits such a URL: rest is the URL to request, of http and with a host that
// does not matter, and dial connects to the socket. For any other URL dial is nil.
func Unix(address string) (rest string, dial func(ctx context.Context, network, address string) (net.Conn, error), err error) {
	socket, ok := strings.CutPrefix(address, unixScheme)
	if !ok {
		return address, nil, nil
	}
	socket = strings.TrimPrefix(socket, "//") // unix:///run/wirepost.sock
	path := ""
	if i := strings.Index(socket, ":/"); i >= 0 {
		socket, path = socket[:i], socket[i+1:]
	}
	if socket == "" {
		return "", nil, fmt.Errorf("%q has no path of a socket: use a URL such as unix:/run/wirepost.sock", address)
	}
	return "http://localhost" + path, func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}, nil
}

// Transport returns an HTTP transport with the defaults of net/http. With a dial of Unix
// that is not nil, it connects to that socket.
func Transport(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if dial != nil {
		t.DialContext, t.Proxy = dial, nil
	}
	return t
}
