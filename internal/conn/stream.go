package conn

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// stream is the portable socket, for any net.Conn. A goroutine is in Read while input
// is wanted, and another one in Write while there is output; they post their results to
// the loop. Each goroutine exits after posting, and the loop starts the next one. So a
// goroutine never waits for the loop, no grown stack is kept, and pausing reads means
// not starting a reader.
type stream struct {
	endpoint
	nc    net.Conn
	read  reading
	send  sending
	moved atomic.Int64 // when a write that had blocked went on, since the loop's start
}

func newStream(l *Loop, nc net.Conn) *stream {
	s := &stream{nc: nc}
	s.loop, s.sock = l, s
	s.read.life, s.send.life = s.readSome, s.writeBatch
	return s
}

// spawn starts a goroutine that the loop waits for when it closes; f calls wg.Done at
// its end. It does not use wg.Go because that allocates.
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

// closeSocket closes a TLS connection at once by closing the underlying one, because
// the Close of tls.Conn may wait up to 5 s for a peer that does not read, which is too
// long for a loop.
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

// buffers are borrowed for large reads and writes; their size is that of a TLS record.
var buffers = sync.Pool{New: func() any { return new([16 << 10]byte) }}

type buffer = [16 << 10]byte
