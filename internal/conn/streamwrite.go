package conn

import (
	"net"
	"time"
)

// sending is the writer's part of a stream. While busy, bufs and err are owned by the
// writer's goroutine.
type sending struct {
	life  func() // writeBatch
	busy  bool
	late  bool       // in loop.late
	batch *frameList // the frames being written
	bytes int        // of batch
	bufs  net.Buffers
	err   error
}

// maxVector is the number of frames of one writev: Go keeps a vector of that size with
// the socket forever.
const maxVector = 64

// kick schedules the start of a writer at the end of the turn, so that all output of
// the turn is one batch. Frames queued while a writer is running form the next batch.
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

// writeBatch is the body of a writer's goroutine. It has no deadline: a peer may read
// as slowly as it likes, and is disconnected by closing the socket.
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

// maxPiece is how much of a long frame is written at once: each completed piece is a
// sign of life of the peer, and they must be frequent.
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

// waited is the minimum duration of a write that has blocked on the peer. A faster
// write went to the kernel's buffer and proves nothing about the peer.
const waited = 100 * time.Millisecond

// wrote records that a write completed. A peer that takes pending output is alive,
// however slow it is.
func (s *stream) wrote(begun time.Time) {
	if now := time.Now(); now.Sub(begun) >= waited {
		s.moved.Store(int64(now.Sub(s.loop.start)))
	}
}

// writeJoined joins many frames into few writes for transports without writev: over TLS
// each write is a record and a system call. While the peer does not read, this holds a
// buffer, as crypto/tls itself does.
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

// writeDone is a stream whose batch was written, or failed.
type writeDone stream

// Run goes on with the frames queued meanwhile.
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
