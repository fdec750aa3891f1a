package dial

import (
	"context"
	"net"
	"strings"
)

// unixScheme begins the URL of a server at a Unix socket: the socket's path and,
// behind another colon, the path and query of what is asked for, as in
// unix:/run/wirepost.sock:/ws?user=42.
const unixScheme = "unix:"

// Unix takes such a URL apart: rest is what to ask for, as a URL of http whose host
// does not matter, and dial connects to the socket. Another URL is not ok.
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
