package conn

import (
	"fmt"
	"io"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// eventSocket is the event-driven socket: a TCP or Unix connection that was taken out
// of the Go runtime. While idle it has no goroutine and no buffer; the loop's epoll
// reports when it is readable or writable.
type eventSocket struct {
	endpoint
	fd       int32
	interest uint32 // the registered events
}

// newSocket takes a connection over if it is plain TCP or a Unix socket; any other kind
// becomes a stream.
func newSocket(l *Loop, nc net.Conn) (socket, error) {
	plain := plainSocket(nc)
	if plain == nil || l.cfg.Portable {
		return newStream(l, nc), nil
	}
	if err := l.poller.(*switching).watchSockets(l.pending); err != nil {
		return nil, err
	}
	fd, err := detach(plain)
	if err != nil {
		return nil, err
	}
	s := &eventSocket{fd: int32(fd)}
	s.loop, s.sock = l, s
	return s, nil
}

// rawConn is a connection with a descriptor.
type rawConn interface {
	net.Conn
	syscall.Conn
}

// plainSocket returns nc if its bytes are those of its descriptor, or nil.
func plainSocket(nc net.Conn) rawConn {
	switch c := nc.(type) {
	case *net.TCPConn:
		return c
	case *net.UnixConn:
		return c
	}
	return nil
}

// detach takes the descriptor out of the runtime: it duplicates the descriptor and
// closes the connection, which removes it from the runtime's poller.
func detach(c rawConn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	var dupErr error
	err = raw.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = dupErr
	}
	if err != nil {
		return -1, fmt.Errorf("detach a connection: %w", err)
	}
	c.Close() //nolint:errcheck // the duplicate keeps the connection open
	descriptors.makeRoom(fd)
	return fd, nil
}

// poll is the loop's epoll, which exists since the first event-driven socket.
func (s *eventSocket) poll() *epoll { return s.loop.poller.(*switching).epoll.Load() }

func (s *eventSocket) begin(early []byte) {
	s.interest = s.wanted()
	if err := s.poll().add(s); err != nil {
		s.readFailed(fmt.Errorf("epoll_ctl: %w", err))
		return
	}
	if len(early) > 0 {
		s.received(early)
		s.watch()
	}
}

// happened handles events that epoll reported.
func (s *eventSocket) happened(events uint32) {
	if events&unix.EPOLLOUT != 0 {
		s.flush()
	}
	switch {
	case s.closed:
	case s.wantsBytes():
		if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			s.readSome()
		}
	case events&(unix.EPOLLHUP|unix.EPOLLERR) != 0:
		// Both directions are closed; epoll would report that again and again.
		s.readFailed(s.socketError())
	}
	s.watch()
}

// readSome reads once. If input is left, epoll reports it again, after the other
// sockets had their turn.
func (s *eventSocket) readSome() {
	buf := s.room(s.poll().in)
	n, _, errno := syscall.RawSyscall(unix.SYS_READ, uintptr(s.fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
	case errno != 0:
		s.readFailed(fmt.Errorf("read: %w", errno))
	case n == 0:
		s.readFailed(io.EOF)
	default:
		s.received(buf[:n])
	}
}

func (s *eventSocket) socketError() error {
	code, err := unix.GetsockoptInt(int(s.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil:
		return err
	case code != 0:
		return syscall.Errno(code)
	}
	return io.EOF
}

// readMore implements socket.
func (s *eventSocket) readMore() { s.watch() }

// watch updates the events registered with epoll.
func (s *eventSocket) watch() {
	interest := s.wanted()
	if interest == s.interest || s.closed || !s.poll().watches(s) {
		return
	}
	s.interest = interest
	if err := s.poll().control(unix.EPOLL_CTL_MOD, s.fd, interest); err != nil {
		s.writeFailed(fmt.Errorf("epoll_ctl: %w", err))
	}
}

func (s *eventSocket) wanted() (interest uint32) {
	if s.wantsBytes() && (s.end == nil || !s.end.eof) {
		interest |= unix.EPOLLIN
	}
	if !s.out.empty() {
		interest |= unix.EPOLLOUT
	}
	return interest
}

// kick sends the outbox, unless epoll already watches for writability.
func (s *eventSocket) kick() {
	if s.interest&unix.EPOLLOUT == 0 && !s.out.empty() {
		s.flush()
		s.watch()
	}
}

// Write implements Conn. Output that the kernel takes at once is never queued.
func (s *eventSocket) Write(frames ...[]byte) bool {
	if s.end != nil || !s.out.empty() {
		return s.endpoint.Write(frames...)
	}
	for len(frames) > 0 {
		n, again := s.writev(frames)
		frames = skip(frames, &n)
		if len(frames) > 0 && n > 0 {
			// The frame was sent in part: the rest is a slice of the same bytes.
			s.out.add(&s.loop.lists, frames[0][n:])
			frames = frames[1:]
			again = false
		}
		if !again {
			break
		}
	}
	if s.closed {
		return true
	}
	for _, f := range frames {
		s.out.add(&s.loop.lists, f)
	}
	s.blocked = s.out.unsent > 0
	s.watch()
	return !s.blocked
}

// flush sends from the outbox until it is empty or the kernel takes no more.
func (s *eventSocket) flush() {
	for sent, more := 0, true; !s.out.empty() && more && !s.closed; {
		sent, more = s.writev(s.out.list.frames)
		if sent == 0 {
			break
		}
		s.out.consume(&s.loop.lists, sent)
		if s.blocked { // the peer has read, which made room
			s.last = s.loop.now.Sub(s.loop.start)
		}
		s.sent(sent)
	}
}

// maxIovec is the number of frames of one call: enough to amortize its cost.
const maxIovec = 256

// writev writes frames with one system call, and returns the number of bytes taken.
// More reports whether another call may succeed.
func (s *eventSocket) writev(frames [][]byte) (sent int, more bool) {
	p := s.poll()
	v := p.vector[:0]
	for _, f := range frames[:min(len(frames), maxIovec)] {
		if len(f) > 0 {
			v = append(v, unix.Iovec{Base: &f[0]})
			v[len(v)-1].SetLen(len(f))
		}
	}
	p.vector = v
	if len(v) == 0 {
		return 0, false
	}
	n, _, errno := syscall.RawSyscall(unix.SYS_WRITEV, uintptr(s.fd), uintptr(unsafe.Pointer(&v[0])), uintptr(len(v)))
	clear(v)
	switch {
	case errno == unix.EINTR:
		return 0, true
	case errno == unix.EAGAIN:
		return 0, false
	case errno != 0:
		s.writeFailed(fmt.Errorf("write: %w", errno))
		return 0, false
	}
	return int(n), true
}

// skip drops the frames that *n bytes cover, and leaves in *n how much of the first
// remaining frame they cover.
func skip(frames [][]byte, n *int) [][]byte {
	for len(frames) > 0 && *n >= len(frames[0]) {
		*n -= len(frames[0])
		frames = frames[1:]
	}
	return frames
}

// Acknowledged implements Conn.
func (s *eventSocket) Acknowledged() (bytes uint64, waiting bool) {
	return tcpAcknowledged(int(s.fd))
}

func (s *eventSocket) closeWrite() {
	unix.Shutdown(int(s.fd), unix.SHUT_WR) //nolint:errcheck // the peer is gone
}

func (s *eventSocket) closeSocket(bool) { s.poll().remove(s) }
