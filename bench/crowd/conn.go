package crowd

import (
	"bytes"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

type state byte

const (
	unopened   state = iota
	connecting       // TCP
	upgrading        // HTTP
	greeting         // the dialect's hello
	open
	deaf // connected, and never reads
	lost
)

// conn is one connection; only the loop touches it.
type conn struct {
	fd    int
	state state
	rest  []byte // the beginning of a frame that has not come whole
}

// wakeIndex stands for the eventfd among the indexes of connections.
const wakeIndex = -1

func (c *Crowd) watch(fd, index int, events uint32, op int) {
	// It fails only on arguments that make no sense.
	unix.EpollCtl(c.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(index)}) //nolint:errcheck // see above
}

// open begins connection i. The source addresses are spread, because one address
// has not ports enough for several runs one after the other.
func (c *Crowd) open(i int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	k := &c.conns[i]
	k.fd, k.state = fd, connecting
	set := func(level, option, value int) {
		if err == nil {
			err = unix.SetsockoptInt(fd, level, option, value)
		}
	}
	set(unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	set(unix.SOL_TCP, unix.TCP_NODELAY, 1)
	if i < c.cfg.Slow {
		set(unix.SOL_SOCKET, unix.SO_RCVBUF, 4096)
	}
	if err != nil {
		return err
	}
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(2 + i%16)}}); err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Addr: c.cfg.Address.Addr().As4(), Port: int(c.cfg.Address.Port())}
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	c.watch(fd, i, unix.EPOLLOUT, unix.EPOLL_CTL_ADD)
	return nil
}

// handle takes the events of one connection and returns how many messages came.
func (c *Crowd) handle(i int, events uint32) int {
	k := &c.conns[i]
	switch k.state {
	case connecting:
		c.connected(i, k)
	case deaf:
		if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			c.drop(k)
		}
	case upgrading, greeting, open:
		return c.receive(i, k)
	}
	return 0
}

func (c *Crowd) drop(k *conn) {
	c.watch(k.fd, 0, 0, unix.EPOLL_CTL_DEL)
	k.state = lost
}

// fail ends a connection that should not have ended.
func (c *Crowd) fail(i int, k *conn, err error) {
	if k.state != open && c.failure == nil {
		c.failure = fmt.Errorf("connection %d: %w", i, err)
	}
	c.lost.Add(1)
	c.drop(k)
}

func (c *Crowd) connected(i int, k *conn) {
	if code, _ := unix.GetsockoptInt(k.fd, unix.SOL_SOCKET, unix.SO_ERROR); code != 0 {
		c.fail(i, k, unix.Errno(code))
		return
	}
	if c.cfg.Dialect.Bare {
		c.becomeReady(i, k)
		return
	}
	k.state = upgrading
	c.watch(k.fd, i, unix.EPOLLIN, unix.EPOLL_CTL_MOD)
	c.out = fmt.Appendf(c.out[:0], "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		c.cfg.Dialect.path(c.cfg.First+i), c.cfg.Address)
	c.send(i, k)
}

func (c *Crowd) becomeReady(i int, k *conn) {
	c.ready++
	if i < c.cfg.Slow {
		k.state = deaf
		c.watch(k.fd, i, unix.EPOLLRDHUP, unix.EPOLL_CTL_MOD)
		return
	}
	k.state = open
	c.watch(k.fd, i, unix.EPOLLIN, unix.EPOLL_CTL_MOD)
}

// send writes c.out. What a client sends is small: it always fits.
func (c *Crowd) send(i int, k *conn) {
	if _, err := unix.Write(k.fd, c.out); err != nil {
		c.fail(i, k, err)
	}
}

// receive reads once; epoll is level-triggered, so what is left comes again.
func (c *Crowd) receive(i int, k *conn) int {
	have := copy(c.buf, k.rest)
	n, err := unix.Read(k.fd, c.buf[have:])
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return 0
	case err != nil:
		c.fail(i, k, err)
		return 0
	case n == 0:
		c.fail(i, k, errors.New("the server closed it"))
		return 0
	}
	data := c.buf[:have+n]
	if k.state == upgrading {
		var ok bool
		if data, ok = c.upgraded(i, k, data); !ok {
			return 0
		}
	}
	messages := c.frames(i, k, &data)
	k.rest = append(k.rest[:0], data...)
	if len(data) == 0 && cap(k.rest) > 4096 {
		k.rest = nil
	}
	return messages
}

// upgraded reads the answer to the upgrade and returns what came behind it.
func (c *Crowd) upgraded(i int, k *conn, data []byte) (rest []byte, ok bool) {
	head, rest, whole := bytes.Cut(data, []byte("\r\n\r\n"))
	if !whole {
		k.rest = append(k.rest[:0], data...)
		return nil, false
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		c.fail(i, k, fmt.Errorf("the upgrade was answered with %q", data))
		return nil, false
	}
	k.state = greeting
	if d := &c.cfg.Dialect; d.Hello != "" {
		c.out = appendFrame(c.out[:0], opText, []byte(d.Hello))
		c.send(i, k)
	}
	if c.cfg.Dialect.Ready == nil {
		c.becomeReady(i, k)
	}
	return rest, true
}

// frames handles the whole frames in data and leaves the rest there.
func (c *Crowd) frames(i int, k *conn, data *[]byte) (messages int) {
	for {
		opcode, payload, rest, ok := nextFrame(*data)
		if !ok {
			return messages
		}
		*data = rest
		switch opcode {
		case opPing:
			c.out = appendFrame(c.out[:0], opPong, payload)
			c.send(i, k)
		case opClose:
			c.fail(i, k, fmt.Errorf("the server closed it: %q", payload))
			return messages
		default:
			if n := bytes.Count(payload, []byte{Marker}); n > 0 {
				messages += n
				c.latencies.add(n)
				continue
			}
			c.talk(i, k, payload)
		}
	}
}

// talk handles a frame of the dialect.
func (c *Crowd) talk(i int, k *conn, payload []byte) {
	d := &c.cfg.Dialect
	if k.state == greeting && d.Ready != nil && d.Ready(payload) {
		c.becomeReady(i, k)
		return
	}
	if d.Answer == nil {
		return
	}
	if answer := d.Answer(payload); answer != "" {
		c.out = appendFrame(c.out[:0], opText, []byte(answer))
		c.send(i, k)
	}
}
