package conn

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// stream is the portable socket: any net.Conn. A goroutine waits in Read while
// bytes are wanted, and another one is in Write while there is something to send;
// what they did they post to the loop. Each of them ends when it has posted, and
// the loop starts the next, so that a goroutine never waits for the loop, its
// stack never stays grown, and not reading is simply not starting.
type stream struct {
	endpoint
	nc    net.Conn
	read  reading
	send  sending
	moved atomic.Int64 // when a write that had waited went on, since the loop's start
}

func newStream(l *Loop, nc net.Conn) *stream {
	s := &stream{nc: nc}
	s.loop, s.sock = l, s
	s.read.life, s.send.life = s.readSome, s.writeBatch
	return s
}

// spawn starts a goroutine that the loop waits for when it closes; f calls
// wg.Done at its end. It is not wg.Go because that allocates.
func (s *stream) spawn(f func()) {
	s.loop.wg.Add(1)
	go f()
}

// LastRead implements Conn.
func (s *stream) LastRead() time.Time {
	return s.loop.start.Add(max(s.last, time.Duration(s.moved.Load())))
}

// Acknowledged implements Conn.
func (s *stream) Acknowledged() (bytes uint64, waiting bool) {
	nc := s.nc
	for {
		inner, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			return acknowledgedBy(nc)
		}
		nc = inner.NetConn()
	}
}

func (s *stream) begin(early []byte) {
	if len(early) > 0 {
		s.received(early)
	}
	s.readMore()
}

// closeSocket closes a TLS connection at once by closing the one below, because
// its own Close may wait for a peer that does not read. That is bounded (5 s, see
// tls.Conn.Close), but too long for a loop.
func (s *stream) closeSocket(atOnce bool) {
	below, layered := s.nc.(interface{ NetConn() net.Conn })
	switch {
	case !layered:
		s.nc.Close()
	case atOnce:
		below.NetConn().Close()
	default:
		s.loop.wg.Go(func() { s.nc.Close() })
	}
}

func (s *stream) closeWrite() {
	if half, ok := s.nc.(interface{ CloseWrite() error }); ok {
		s.loop.wg.Go(func() { half.CloseWrite() })
	}
}

// buffers are borrowed where many bytes come or leave; their size is that of a
// TLS record.
var buffers = sync.Pool{New: func() any { return new([16 << 10]byte) }}

type buffer = [16 << 10]byte
