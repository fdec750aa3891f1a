package wirepost

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/wirepost/wirepost/internal/wire"
)

// limits hold what connections may cost to what Options say. One that is 0 does
// not hold, and takes no memory.
type limits struct {
	opts *Options

	mu        sync.Mutex
	all       int                            // connections, echoes included
	addresses map[netip.Prefix]*addressUsage // those that have a connection, or came lately
	swept     time.Time
}

// addressUsage is what one address has and does.
type addressUsage struct {
	connections int           // those that have not left
	sockets     int           // those that are not closed
	handshakes  *rate.Limiter // nil without a limit
	seen        time.Time
}

func newLimits(o *Options) *limits {
	return &limits{opts: o, addresses: map[netip.Prefix]*addressUsage{}, swept: time.Now()}
}

// Refusals by limits, and the reasons that wirepost_refused_total counts them
// under.
const (
	refusedConnections        = "connections"
	refusedAddressConnections = "address_connections"
	refusedHandshakeRate      = "handshake_rate"
	refusedMessageRate        = "message_rate"
	refusedByteRate           = "byte_rate"
)

func limitError(code Code, reason, message string, retryAfter time.Duration) *Error {
	return &Error{Code: code, Message: message, RetryAfter: retryAfter, reason: reason}
}

// enter counts a new connection from an address, or refuses it. The caller calls
// leave when its end begins, and close when its socket is closed.
func (l *limits) enter(from address) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if most := l.opts.MaxConnections; most > 0 && l.all >= most {
		return limitError(Unavailable, refusedConnections, "this server has as many connections as it may have", 5*time.Second)
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
		if r := l.opts.HandshakeRate; r > 0 {
			a.handshakes = newLimiter(r, 1)
		}
		l.addresses[from] = a
	}
	a.seen = now
	if a.handshakes != nil && !a.handshakes.AllowN(now, 1) {
		return limitError(RateLimited, refusedHandshakeRate, "too many connections a second from this address", time.Second)
	}
	// Those that are being closed leave room for the next ones, but not for any
	// number of them: a peer that never answers a close frame keeps its sockets.
	if most := l.opts.MaxAddressConnections; most > 0 && (a.connections >= most || a.sockets >= 2*most) {
		return limitError(RateLimited, refusedAddressConnections, "too many connections from this address", 5*time.Second)
	}
	a.connections++
	a.sockets++
	return nil
}

func (l *limits) perAddress() bool {
	return l.opts.MaxAddressConnections > 0 || l.opts.HandshakeRate > 0
}

// leave says that a connection's end has begun.
func (l *limits) leave(from address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.addressLocked(from); a != nil {
		a.connections--
	}
}

// close says that the socket of a connection that has left is closed. Until then
// it counts for MaxConnections, which bounds descriptors.
func (l *limits) close(from address) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if a := l.addressLocked(from); a != nil {
		a.sockets--
		a.seen = time.Now()
	}
}

func (l *limits) addressLocked(from address) *addressUsage {
	if !l.perAddress() {
		return nil
	}
	return l.addresses[addressPrefix(from)]
}

// addressMemory is how long an address without connections is remembered, at the
// least.
const addressMemory = 10 * time.Second

// sweepLocked forgets addresses that are gone.
func (l *limits) sweepLocked(now time.Time) {
	if now.Sub(l.swept) < addressMemory {
		return
	}
	l.swept = now
	memory := addressMemory
	if r := l.opts.HandshakeRate; r > 0 {
		memory = max(memory, time.Duration(2/min(r, 1)*float64(time.Second))) // until its limiter is full again
	}
	for from, a := range l.addresses {
		if a.sockets == 0 && now.Sub(a.seen) >= memory {
			delete(l.addresses, from)
		}
	}
}

// addressPrefix is what counts as one address: with IPv6 that is a /64, which is
// the least that a customer is given (RFC 6177).
func addressPrefix(a address) netip.Prefix {
	addr := netip.AddrFrom16(a.ip).Unmap()
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) //nolint:errcheck // there is no such error
	return p
}

// meter bounds what one client sends. Owned by the loop.
type meter struct {
	messages *rate.Limiter // nil without a limit
	bytes    *rate.Limiter // nil without a limit
}

// newLimiter takes at once what comes in two seconds, and at least as much as one
// may be: who reconnects has something to catch up with.
func newLimiter(perSecond float64, one int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perSecond), max(one, int(2*perSecond)))
}

func newMeter(o *Options) *meter {
	m := &meter{}
	if o.MessageRate > 0 {
		m.messages = newLimiter(o.MessageRate, 1)
	}
	if o.ByteRate > 0 {
		m.bytes = newLimiter(float64(o.ByteRate), maxFrame(o.MaxMessage))
	}
	return m
}

// take counts a message in, or says which limit it breaks.
func (m *meter) take(now time.Time, size int) error {
	if m.messages != nil && !m.messages.AllowN(now, 1) {
		return limitError(RateLimited, refusedMessageRate, "too many messages a second", 0)
	}
	if m.bytes != nil && !m.bytes.AllowN(now, size) {
		return limitError(RateLimited, refusedByteRate, "too many bytes a second", 0)
	}
	return nil
}

// metered says that what clients send is limited.
func (o *Options) metered() bool { return o.MessageRate > 0 || o.ByteRate > 0 }

// mayAlso says whether the client may send this message, or ping, too; one that
// sends too much is closed (4429). On the loop.
func (s *session) mayAlso(size int) bool {
	if !s.loop.srv.opts.metered() {
		return true
	}
	why, ok := s.loop.allows(&s.theWork().meter, size)
	if !ok {
		s.end(wire.CloseTooMuch, why)
	}
	return ok
}

// mayAlso is the same for an echo. On the loop.
func (e *echo) mayAlso(size int) bool {
	if !e.srv.opts.metered() {
		return true
	}
	why, ok := e.loop.allows(&e.meter, size)
	if !ok {
		e.conn.Close(wire.CloseTooMuch, why)
	}
	return ok
}

// allows asks a meter, which it makes the first time.
func (l *loop) allows(m **meter, size int) (why string, ok bool) {
	if *m == nil {
		*m = newMeter(&l.srv.opts)
	}
	err := (*m).take(l.Now(), size)
	if err == nil {
		return "", true
	}
	l.srv.refused(err)
	return AsError(err).Message, false
}

// refuse answers a request for a connection with an error, counts it and logs it.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.refused(err)
	s.logRefusal(r, err)
	WriteError(w, err)
}

// Refuse answers a request with an error as WriteError does, counts it, and logs it
// as Options.LogRefusals says. It is for whoever guards the server from outside of
// this package.
func (s *Server) Refuse(w http.ResponseWriter, r *http.Request, err error) { s.refuse(w, r, err) }

// logRefusal says why a request was refused. The query is left out: it may hold a
// token.
func (s *Server) logRefusal(r *http.Request, err error) {
	level := slog.LevelDebug
	if s.opts.LogRefusals {
		level = slog.LevelInfo
	}
	if !s.logger.Enabled(r.Context(), level) {
		return
	}
	e := AsError(err)
	attrs := []any{"path", r.URL.Path, "reason", reasonOf(e), "detail", e.Message, "address", r.RemoteAddr}
	if origin := r.Header.Get("Origin"); origin != "" {
		attrs = append(attrs, "origin", origin)
	}
	if e.Err != nil {
		attrs = append(attrs, "error", e.Err)
	}
	s.logger.Log(r.Context(), level, "refused", attrs...)
}

// refused counts a refusal under its reason.
func (s *Server) refused(err error) { s.CountRefusal(reasonOf(AsError(err))) }

// reasonOf is the limit that was broken, what is wrong with who asks, or the code of
// the error.
func reasonOf(e *Error) string {
	switch {
	case e.reason != "":
		return e.reason
	case e.Field == "Origin":
		return reasonOrigin
	}
	return string(e.Code)
}

const (
	reasonOrigin  = "origin"
	reasonWrapper = "response_writer"
)

// CountRefusal counts something that was refused, for whoever guards the server
// from outside of this package. Reasons are few and fixed: each is a time series.
func (s *Server) CountRefusal(reason string) { s.metrics.refused.WithLabelValues(reason).Inc() }
