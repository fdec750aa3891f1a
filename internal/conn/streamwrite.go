package conn

import (
	"net"
	"time"
)

// sending is the writer's part of a stream. While busy, bufs and err belong to the
// writer's goroutine.
type sending struct {
	life  func() // writeBatch
	busy  bool
	late  bool       // in loop.late
	batch *frameList // what the writer was given
	bytes int        // of batch
	bufs  net.Buffers
	err   error
}

// maxVector is how many frames one writev takes: Go keeps a vector of that size
// with the socket ever after.
const maxVector = 64

// kick has a writer started at the end of the turn, so that all that the turn
// writes is one batch. Frames queued while a writer is at work are the next one.
func (s *stream) kick() {
	if !s.send.busy && !s.send.late {
		s.send.late = true
		s.loop.late = append(s.loop.late, s)
	}
}

func (s *stream) turnEnds() {
	w := &s.send
	w.late = false
	if s.closed || s.out.empty() {
		return
	}
	w.batch = s.out.take()
	w.bytes = 0
	for _, f := range w.batch.frames {
		w.bytes += len(f)
	}
	w.busy = true
	s.spawn(s.send.life)
}

// writeBatch is one writer's life. It has no deadline: a peer may read as slowly as
// it likes, and is cut by closing the socket.
func (s *stream) writeBatch() {
	defer s.loop.wg.Done()
	switch s.nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		s.send.err = s.writeVectors()
	default:
		s.send.err = s.writeJoined()
	}
	s.loop.Post((*writeDone)(s))
}

func (s *stream) writeVectors() error {
	w := &s.send
	for rest := w.batch.frames; len(rest) > 0; {
		if len(rest[0]) > maxPiece {
			if err := s.writePieces(rest[0]); err != nil {
				return err
			}
			rest = rest[1:]
			continue
		}
		n := 1
		for n < min(len(rest), maxVector) && len(rest[n]) <= maxPiece {
			n++
		}
		w.bufs = rest[:n] // WriteTo consumes it
		begun := time.Now()
		if _, err := w.bufs.WriteTo(s.nc); err != nil {
			return err
		}
		s.wrote(begun)
		rest = rest[n:]
	}
	return nil
}

// maxPiece is how much of a long frame is written at once: that a piece was taken is a
// sign of life, and between two of them there must not be long.
const maxPiece = 64 << 10

func (s *stream) writePieces(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), maxPiece)
		begun := time.Now()
		if _, err := s.nc.Write(b[:n]); err != nil {
			return err
		}
		s.wrote(begun)
		b = b[n:]
	}
	return nil
}

// waited is how long a write takes that has waited for the peer. One that the kernel
// had room for proves nothing of the peer.
const waited = 100 * time.Millisecond

// wrote notes that a write was taken. A peer that takes some of what waits is alive,
// however slow it is.
func (s *stream) wrote(begun time.Time) {
	if now := time.Now(); now.Sub(begun) >= waited {
		s.moved.Store(int64(now.Sub(s.loop.start)))
	}
}

// writeJoined makes few writes of many frames where a vector is none: over TLS each
// write is a record and a system call. While the peer does not read, this holds a
// buffer, as crypto/tls does itself.
func (s *stream) writeJoined() error {
	batch := s.send.batch.frames
	if len(batch) == 1 {
		return s.writePieces(batch[0])
	}
	buf := buffers.Get().(*buffer)
	defer buffers.Put(buf)
	fill := 0
	for _, f := range batch {
		for len(f) > 0 {
			n := copy(buf[fill:], f)
			f, fill = f[n:], fill+n
			if fill < len(buf) {
				continue
			}
			if err := s.writePieces(buf[:]); err != nil {
				return err
			}
			fill = 0
		}
	}
	return s.writePieces(buf[:fill])
}

// writeDone is a stream whose batch was written, or could not be.
type writeDone stream

// Run goes on with what was queued meanwhile.
func (d *writeDone) Run() {
	s := (*stream)(d)
	w := &s.send
	w.busy = false
	s.loop.lists.give(w.batch)
	w.batch, w.bufs = nil, nil
	if s.closed {
		return
	}
	if w.err != nil {
		s.writeFailed(w.err)
		return
	}
	s.sent(w.bytes)
	if !s.out.empty() {
		s.kick()
	}
}
