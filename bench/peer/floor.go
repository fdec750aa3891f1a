package peer

import (
	"errors"
	"net"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/wirepost/wirepost/internal/ws"
)

// floor is plain TCP without a protocol: one loop writes the bytes that a WebSocket
// server would have to write to each socket. Messages sent together are one write.
// No server can cost less.
type floor struct {
	mu  sync.Mutex
	fds []int
}

func newFloor() (Server, error) { return &floor{}, nil }

func (f *floor) Serve(l net.Listener) error {
	listener, ok := l.(*net.TCPListener)
	if !ok {
		return errors.New("the floor needs TCP")
	}
	for {
		c, err := listener.AcceptTCP()
		if err != nil {
			return err
		}
		fd, err := detach(c)
		if err != nil {
			return err
		}
		f.mu.Lock()
		f.fds = append(f.fds, fd)
		f.mu.Unlock()
	}
}

// detach removes the socket from the Go runtime, which would use more memory for it.
func detach(c *net.TCPConn) (fd int, err error) {
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	if e := raw.Control(func(original uintptr) {
		fd, err = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	}); e != nil {
		return 0, e
	}
	return fd, err
}

func (f *floor) Publish(data []byte, times int) error {
	bytes := slices.Repeat(ws.AppendFrame(nil, ws.OpText, data), times)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fd := range f.fds {
		n, err := unix.Write(fd, bytes)
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			return err
		}
		if n < len(bytes) {
			return errors.New("a client reads too slowly for the floor, which has no buffer")
		}
	}
	return nil
}

func (f *floor) Online() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.fds)
}
