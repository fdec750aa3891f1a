package conn

import (
	"errors"
	"os"
	"time"
)

// reading is the reader's part of a stream. While busy, the other fields are owned by
// the reader's goroutine.
type reading struct {
	life  func() // readSome; a new method value each time would allocate
	busy  bool
	burst bool // the last read filled its buffer: more input is likely
	n     int
	err   error
	big   *buffer // borrowed, else nil
	// small is the buffer of an idle connection. It holds a few acknowledgements or a
	// short message.
	small [256]byte
}

// burstWait is how long a reader waits for input with a borrowed buffer.
const burstWait = 200 * time.Millisecond

// readMore starts a reader if input is wanted and no reader is running.
func (s *stream) readMore() {
	if s.read.busy || s.read.err != nil || !s.wantsBytes() {
		return
	}
	s.read.busy = true
	s.spawn(s.read.life)
}

// readSome is the body of a reader's goroutine.
func (s *stream) readSome() {
	defer s.loop.wg.Done()
	if !s.read.burst || !s.readBurst() {
		s.read.n, s.read.err = s.nc.Read(s.read.small[:])
	}
	s.loop.Post((*readDone)(s))
}

// readBurst reads with a borrowed buffer, and reports whether anything happened. If the
// burst is over, the buffer is returned while waiting for more input.
func (s *stream) readBurst() bool {
	r := &s.read
	if s.nc.SetReadDeadline(time.Now().Add(burstWait)) != nil {
		return false
	}
	r.big = buffers.Get().(*buffer)
	r.n, r.err = s.nc.Read(s.room(r.big[:]))
	if err := s.nc.SetReadDeadline(time.Time{}); r.err == nil {
		r.err = err
	}
	if r.n == 0 && errors.Is(r.err, os.ErrDeadlineExceeded) {
		s.returnBig()
		r.err = nil
		return false
	}
	return true
}

func (s *stream) returnBig() {
	if s.read.big != nil {
		buffers.Put(s.read.big)
		s.read.big = nil
	}
}

// readDone is a stream whose reader has posted its result.
type readDone stream

// Run handles the input, and goes on reading.
func (d *readDone) Run() {
	s := (*stream)(d)
	r := &s.read
	b := r.small[:]
	if r.big != nil {
		b = s.room(r.big[:])
	}
	r.burst = r.n == len(b)
	if r.n > 0 && !s.closed {
		s.received(b[:r.n])
	}
	s.returnBig()
	// Not earlier: if a handler resumed reading, a reader would overwrite the bytes
	// being parsed.
	r.busy = false
	if r.err != nil {
		s.readFailed(r.err)
	}
	s.readMore()
}
