package crowd

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// poller drives sessions from one goroutine, without a goroutine, a buffer or a wake-up
// for each, so that the load costs as little as possible. It supports only TCP.
type poller struct {
	crowd   *Crowd
	fd      int // of epoll
	sockets []socket
	next    int // the first that was not started
	shaking int // connections that are not ready yet
	living  int // connections, including those
	buf     [64 << 10]byte
	out     []byte // output for the input in buf

	due      time.Time // when Due is called next
	deadline time.Time // of leaving; zero: not yet
}

// socket is one connection of a poller.
type socket struct {
	session
	slot      int // in the poller's sockets
	fd        int // -1: none
	connected bool
	unsent    []byte // the request, until it is connected
}

// tick is the interval of the work that no socket event causes.
const tick = 20 * time.Millisecond

func newDriver(c *Crowd, sessions []session) (driver, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	d := &poller{crowd: c, fd: fd, sockets: make([]socket, len(sessions))}
	for i, s := range sessions {
		d.sockets[i] = socket{session: s, slot: i, fd: -1}
	}
	return d, nil
}

// closeAll releases drivers that were never run.
func closeAll(drivers []driver) (err error) {
	for _, d := range drivers {
		if d, ok := d.(*poller); ok {
			err = errors.Join(err, unix.Close(d.fd))
		}
	}
	return err
}

func (d *poller) run() {
	defer d.cut()
	events := make([]unix.EpollEvent, 256)
	for {
		d.begin()
		n, err := unix.EpollWait(d.fd, events, int(tick/time.Millisecond))
		if err != nil && !errors.Is(err, unix.EINTR) {
			d.crowd.fail(fmt.Errorf("epoll: %w", err))
			return
		}
		for i := range max(n, 0) {
			s := &d.sockets[events[i].Fd] // it holds the index, see watch
			if err := d.handle(s, events[i].Events); err != nil {
				d.crowd.fail(err)
				d.end(s)
			}
		}
		if d.tick() {
			return
		}
	}
}

// begin keeps enough connections in progress.
func (d *poller) begin() {
	for d.shaking < d.crowd.cfg.InFlight && d.next < len(d.sockets) && !d.crowd.stopping.Load() {
		s := &d.sockets[d.next]
		d.next++
		d.shaking++
		d.living++
		if err := d.connect(s); err != nil {
			d.crowd.fail(err)
			d.end(s)
			d.next = len(d.sockets) // the others would fail likewise
		}
	}
}

// connect starts a connection; EPOLLOUT reports that it is established.
func (d *poller) connect(s *socket) error {
	var err error
	if s.unsent, err = s.session.begin(); err != nil {
		return err
	}
	family, to := sockaddr(d.crowd.address(s.index))
	if s.fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		s.fd = -1
		return fmt.Errorf("open a socket: %w", err)
	}
	d.configure(s)
	if from := d.crowd.source(s.index); from.IsValid() {
		// The port is then chosen for the pair of addresses, not for this one alone.
		unix.SetsockoptInt(s.fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) //nolint:errcheck // then there are fewer ports
		if err := unix.Bind(s.fd, &unix.SockaddrInet4{Addr: from.As4()}); err != nil {
			return fmt.Errorf("bind to %s: %w", from, err)
		}
	}
	if err := unix.Connect(s.fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return d.crowd.wordDial(s.index, err)
	}
	return d.watch(s, unix.EPOLL_CTL_ADD, unix.EPOLLOUT)
}

// configure sets the options of a socket. It works without any of them.
func (d *poller) configure(s *socket) {
	if s.slow {
		unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, slowBuffer) //nolint:errcheck // then it is slow a little later
	}
	if d.crowd.cfg.Reset {
		unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}) //nolint:errcheck // then its port is in use for longer
	}
	unix.SetsockoptInt(s.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) //nolint:errcheck // then it is slower
}

func sockaddr(at netip.AddrPort) (family int, to unix.Sockaddr) {
	if at.Addr().Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
}

// watch sets the events of a socket that epoll reports. They carry the socket's index.
func (d *poller) watch(s *socket, how int, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(s.slot)}
	if err := unix.EpollCtl(d.fd, how, s.fd, &event); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// handle takes events of a socket. After an error the socket is of no use.
func (d *poller) handle(s *socket, events uint32) error {
	if s.fd < 0 {
		return nil // it ended by an earlier event
	}
	if !s.connected {
		return d.greet(s)
	}
	if events&unix.EPOLLOUT != 0 {
		if err := d.send(s, nil); err != nil {
			return err
		}
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		return d.read(s)
	}
	return nil
}

// greet sends the request once the connection is established.
func (d *poller) greet(s *socket) error {
	if code, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
		return d.crowd.wordDial(s.index, unix.Errno(code))
	}
	s.connected = true
	request := s.unsent
	s.unsent = nil
	if err := d.watch(s, unix.EPOLL_CTL_MOD, unix.EPOLLIN); err != nil {
		return err
	}
	if s.upgraded { // no handshake
		s.checkReady()
		return d.settle(s)
	}
	return d.send(s, request)
}

// settle counts a connection that has become ready.
func (d *poller) settle(s *socket) error {
	if !s.ready {
		return nil
	}
	d.shaking--
	if s.slow {
		return unix.EpollCtl(d.fd, unix.EPOLL_CTL_DEL, s.fd, nil)
	}
	return nil
}

var errCut = errors.New("the server cut the connection")

// read reads once; if input is left, epoll reports it again.
func (d *poller) read(s *socket) error {
	n, err := unix.Read(s.fd, d.buf[:])
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return fmt.Errorf("read: %w", err)
	case n == 0:
		return errCut
	}
	was := s.ready
	d.out, err = s.take(d.buf[:n], time.Now(), d.out[:0])
	if !was {
		err = errors.Join(err, d.settle(s))
	}
	if err != nil {
		return err
	}
	return d.send(s, d.out)
}

// send writes the queued bytes and then p. The rest waits for EPOLLOUT.
func (d *poller) send(s *socket, p []byte) error {
	waited := len(s.unsent) > 0
	if waited {
		s.unsent = append(s.unsent, p...)
		p = s.unsent
	}
	for len(p) > 0 {
		n, err := unix.Write(s.fd, p)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EAGAIN) {
			s.unsent = append([]byte(nil), p...)
			return d.watch(s, unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLOUT)
		}
		if err != nil {
			return fmt.Errorf("write: %w", err)
		}
		p = p[n:]
	}
	s.unsent = nil
	if waited {
		return d.watch(s, unix.EPOLL_CTL_MOD, unix.EPOLLIN)
	}
	return nil
}

// end closes a socket.
func (d *poller) end(s *socket) {
	if s.fd >= 0 {
		unix.Close(s.fd) //nolint:errcheck // nothing can be done
		s.fd = -1
	}
	s.parser.Release()
	if !s.ready {
		d.shaking--
	}
	d.living--
}

// tick does what is due, and leaves when the crowd stops. It returns true when the
// driver is done.
func (d *poller) tick() bool {
	now := time.Now()
	if every := d.crowd.cfg.DueEvery; every > 0 && !now.Before(d.due) {
		d.due = now.Add(every)
		d.each(func(s *socket) error {
			if !s.ready || s.slow {
				return nil
			}
			d.out = s.client.Due(d.out[:0])
			return d.send(s, d.out)
		})
	}
	if !d.crowd.stopping.Load() {
		return false
	}
	if d.crowd.cfg.Reset {
		return true
	}
	if d.deadline.IsZero() {
		d.deadline = now.Add(leaveTime)
		d.each(func(s *socket) error {
			if !s.ready || s.slow {
				return errStopped
			}
			return d.send(s, farewell)
		})
	}
	return d.living == 0 || now.After(d.deadline)
}

// each calls do for all open sockets.
func (d *poller) each(do func(*socket) error) {
	for i := range d.sockets {
		if s := &d.sockets[i]; s.fd >= 0 {
			if err := do(s); err != nil {
				d.crowd.fail(err)
				d.end(s)
			}
		}
	}
}

// cut closes the remaining sockets.
func (d *poller) cut() {
	d.each(func(*socket) error { return errStopped })
	unix.Close(d.fd) //nolint:errcheck // nothing can be done
}
