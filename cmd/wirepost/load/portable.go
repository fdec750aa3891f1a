package load

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// shaking is how many handshakes of a driver are under way at the same time.
	shaking = 128
	// leaveTime is how long a server may take to answer the close frames.
	leaveTime = 2 * time.Second
	// slowBuffer is what the kernel may receive for a session that does not read.
	slowBuffer = 4 << 10
)

// portable drives sessions by a goroutine for each: for TLS, and where there is
// no epoll.
type portable struct {
	crowd    *crowd
	sessions []*session
	all      sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

func (d *portable) run() {
	ctx, cancel := context.WithCancel(context.Background())
	d.start(ctx)
	<-d.crowd.stopped
	cancel()
	d.leave()
	d.all.Wait()
}

// start begins the sessions, a few at a time.
func (d *portable) start(ctx context.Context) {
	slots := make(chan struct{}, shaking)
	for _, s := range d.sessions {
		select {
		case slots <- struct{}{}:
		case <-d.crowd.stopped:
			return
		case <-d.crowd.broken:
			return
		}
		d.all.Go(func() {
			shook := sync.OnceFunc(func() { <-slots })
			defer shook()
			if err := d.follow(ctx, s, shook); err != nil {
				d.crowd.fail(err)
			}
		})
	}
}

// leave says goodbye on all connections, and cuts those that don't hear it.
func (d *portable) leave() {
	d.mu.Lock()
	conns := d.conns
	d.conns = nil // who comes now sees that the crowd has stopped
	d.mu.Unlock()
	for _, c := range conns {
		c.SetWriteDeadline(time.Now().Add(leaveTime)) //nolint:errcheck // Write tells
		c.Write(farewell)                             //nolint:errcheck // it is over either way
		c.SetReadDeadline(time.Now().Add(leaveTime))  //nolint:errcheck // as above
	}
}

// follow is the life of one connection. It calls shook when the handshake is done.
func (d *portable) follow(ctx context.Context, s *session, shook func()) error {
	clock := d.crowd.plan.clock
	s.began = clock.now()
	c, err := d.dial(ctx, s)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it is over either way
	buf := make([]byte, 8<<10)
	var answers []byte
	for {
		n, err := c.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) && !d.crowd.stopping.Load() {
			answers, err = s.acknowledge(answers[:0]), nil
			d.unlimit(c)
		} else if err == nil {
			was := s.unacked
			if answers, err = s.take(buf[:n], clock.now(), answers[:0]); was == 0 && s.unacked > 0 {
				c.SetReadDeadline(time.Now().Add(ackPause)) //nolint:errcheck // Read tells
			}
		}
		if err != nil {
			return err
		}
		if len(answers) > 0 {
			if _, err := c.Write(answers); err != nil {
				return err
			}
		}
		if s.open {
			shook()
		}
		if s.open && s.slow {
			<-d.crowd.stopped
			return nil
		}
	}
}

// unlimit lets a read wait for ever, but not past leave.
func (d *portable) unlimit(c net.Conn) {
	c.SetReadDeadline(time.Time{}) //nolint:errcheck // Read tells
	if d.crowd.stopping.Load() {
		c.SetReadDeadline(time.Now().Add(leaveTime)) //nolint:errcheck // Read tells
	}
}

// dial connects and sends the handshake.
func (d *portable) dial(ctx context.Context, s *session) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	request, err := d.crowd.handshake(s.index)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{}
	if from := d.crowd.source(s.index); from.IsValid() {
		dialer.LocalAddr = &net.TCPAddr{IP: from.AsSlice()}
	}
	plain, err := dialer.DialContext(ctx, "tcp", d.crowd.at.String())
	if err != nil {
		return nil, err
	}
	if tcp, ok := plain.(*net.TCPConn); ok && s.slow {
		tcp.SetReadBuffer(slowBuffer) //nolint:errcheck // then it is slow a little later
	}
	c, err := d.crowd.plan.target.wrap(ctx, plain)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.conns = append(d.conns, c)
	d.mu.Unlock()
	// Until leave knows the connection, nobody else would end it.
	if d.crowd.stopping.Load() {
		c.Close() //nolint:errcheck // it is of no use
		return nil, errStopped
	}
	_, err = c.Write(request)
	return c, err
}
