package dial

import (
	"context"
	"net"
	"strings"
)

// unixScheme begins the URL of a server at a Unix socket: the socket's path and,
// after another colon, the path and query of the request, as in
// unix:/run/wirepost.sock:/ws?user=42.
const unixScheme = "unix:"

// Unix splits such a URL: rest is the URL to request, of http and with a host that
// does not matter, and dial connects to the socket. For any other URL ok is false.
func Unix(address string) (rest string, dial func(ctx context.Context, network, address string) (net.Conn, error), ok bool) {
	socket, ok := strings.CutPrefix(address, unixScheme)
	if !ok {
		return address, nil, false
	}
	socket = strings.TrimPrefix(socket, "//") // unix:///run/wirepost.sock
	path := ""
	if i := strings.Index(socket, ":/"); i >= 0 {
		socket, path = socket[:i], socket[i+1:]
	}
	return "http://localhost" + path, func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}, true
}
