package gateway

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/session"
)

// limits enforces the options that limit connections. A limit of 0 is disabled, and
// takes no memory.
type limits struct {
	config *Config

	mu        sync.Mutex
	all       int                            // connections, echoes included
	addresses map[netip.Prefix]*addressUsage // addresses with a connection, or with a recent one
	swept     time.Time
}

// addressUsage is the usage of one address.
type addressUsage struct {
	connections int           // those that have not left
	sockets     int           // those that are not closed
	handshakes  *rate.Limiter // nil without a limit
	seen        time.Time
}

func newLimits(c *Config) *limits {
	return &limits{config: c, addresses: map[netip.Prefix]*addressUsage{}, swept: time.Now()}
}

// Reasons under which wirepost_refused_total counts refusals by limits.
const (
	refusedConnections        = "connections"
	refusedAddressConnections = "address_connections"
	refusedHandshakeRate      = "handshake_rate"
)

func limitError(code fault.Code, reason, message string, retryAfter time.Duration) *fault.Error {
	return &fault.Error{Code: code, Message: message, RetryAfter: retryAfter, Reason: reason}
}

// enter counts a new connection from an address, or refuses it. The caller calls Leave
// when the connection starts to close, and Close when its socket is closed.
func (l *limits) enter(from session.Address) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if most := l.config.MaxConnections; most > 0 && l.all >= most {
		return limitError(fault.Unavailable, refusedConnections, "this server has the maximum number of connections", 5*time.Second)
	}
	if l.perAddress() {
		if err := l.enterAddressLocked(addressPrefix(from), time.Now()); err != nil {
			return err
		}
	}
	l.all++
	return nil
}

func (l *limits) enterAddressLocked(from netip.Prefix, now time.Time) error {
	l.sweepLocked(now)
	a := l.addresses[from]
	if a == nil {
		a = &addressUsage{}
		if r := l.config.HandshakeRate; r > 0 {
			a.handshakes = session.NewLimiter(r, 1)
		}
		l.addresses[from] = a
	}
	a.seen = now
	if a.handshakes != nil && !a.handshakes.AllowN(now, 1) {
		return limitError(fault.RateLimited, refusedHandshakeRate, "too many connections a second from this address", time.Second)
	}
	// Connections that are closing make room for new ones, but only up to a limit: a
	// peer that never answers a close frame keeps its sockets open.
	if most := l.config.MaxAddressConnections; most > 0 && (a.connections >= most || a.sockets >= 2*most) {
		return limitError(fault.RateLimited, refusedAddressConnections, "too many connections from this address", 5*time.Second)
	}
	a.connections++
	a.sockets++
	return nil
}

func (l *limits) perAddress() bool {
	return l.config.MaxAddressConnections > 0 || l.config.HandshakeRate > 0
}

// Leave is called when a connection starts to close.
func (l *limits) Leave(from session.Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.addressLocked(from); a != nil {
		a.connections--
	}
}

// Close is called when the socket of a connection that has left is closed. Until then
// it counts for MaxConnections, which limits descriptors.
func (l *limits) Close(from session.Address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if a := l.addressLocked(from); a != nil {
		a.sockets--
		a.seen = time.Now()
	}
}

func (l *limits) addressLocked(from session.Address) *addressUsage {
	if !l.perAddress() {
		return nil
	}
	return l.addresses[addressPrefix(from)]
}

// addressMemory is the minimum time for which an address without connections is kept.
const addressMemory = 10 * time.Second

// sweepLocked removes addresses without connections.
func (l *limits) sweepLocked(now time.Time) {
	if now.Sub(l.swept) < addressMemory {
		return
	}
	l.swept = now
	memory := addressMemory
	if r := l.config.HandshakeRate; r > 0 {
		memory = max(memory, time.Duration(2/min(r, 1)*float64(time.Second))) // until its limiter is full again
	}
	for from, a := range l.addresses {
		if a.sockets == 0 && now.Sub(a.seen) >= memory {
			delete(l.addresses, from)
		}
	}
}

// addressPrefix is the unit that counts as one address: for IPv6 a /64, the smallest
// assignment to a customer (RFC 6177).
func addressPrefix(a session.Address) netip.Prefix {
	addr := a.Addr()
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) //nolint:errcheck // bits is always valid
	return p
}
