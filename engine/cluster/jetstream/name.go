package jetstream

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wirepost/wirepost/engine/cluster"
)

// askNameLimit limits how long a server that starts waits for the names of its peers.
const askNameLimit = time.Second

// nameFree returns an error if a peer has the name of this server, whose own address does
// not respond yet. Servers with one name are one voter for the others: they would take the
// acknowledgements of a server that has nothing for those of the one that it replaces. Those
// of other peers do not notice, because a server compares a name only with its own.
func (o *ServerOptions) nameFree(routes *server.ClusterOpts) error {
	ctx, cancel := context.WithTimeout(context.Background(), askNameLimit)
	defer cancel()
	taken := make([]error, len(o.Peers))
	var asking sync.WaitGroup
	for i, peer := range o.Peers {
		asking.Go(func() {
			info, err := askName(ctx, peer.Host, routes.TLSConfig)
			if err == nil && info.Name == o.Name && info.Cluster == o.Group {
				taken[i] = fmt.Errorf("%w: %s at %s", cluster.ErrNameTaken, o.Name, peer.Host)
			}
		})
	}
	asking.Wait()
	return cmp.Or(taken...)
}

// askName returns what the server at an address for routes says of itself. The first line
// of a route is INFO and an object, which comes after the handshake if there is TLS.
func askName(ctx context.Context, address string, encryption *tls.Config) (info server.Info, err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return info, err
	}
	defer conn.Close() //nolint:errcheck // it was only read
	if until, ok := ctx.Deadline(); ok {
		conn.SetDeadline(until) //nolint:errcheck // it is open
	}
	if encryption != nil {
		named := encryption.Clone()
		named.ServerName, _, _ = net.SplitHostPort(address)
		secured := tls.Client(conn, named)
		if err := secured.HandshakeContext(ctx); err != nil {
			return info, err
		}
		conn = secured
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return info, err
	}
	object, found := strings.CutPrefix(line, "INFO ")
	if !found {
		return info, fmt.Errorf("%s is not a route of NATS", address)
	}
	return info, json.Unmarshal([]byte(object), &info)
}
