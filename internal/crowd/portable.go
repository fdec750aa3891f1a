package crowd

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// portable drives sessions by a goroutine for each: for TLS, and where there is
// no epoll.
type portable struct {
	crowd    *Crowd
	sessions []session
	all      sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

func newPortable(c *Crowd, sessions []session) *portable {
	return &portable{crowd: c, sessions: sessions}
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
	slots := make(chan struct{}, d.crowd.cfg.InFlight)
	for i := range d.sessions {
		select {
		case slots <- struct{}{}:
		case <-d.crowd.stopped:
			return
		case <-d.crowd.broken:
			return
		}
		d.all.Go(func() {
			settled := sync.OnceFunc(func() { <-slots })
			defer settled()
			if err := d.follow(ctx, &d.sessions[i], settled); err != nil {
				d.crowd.fail(err)
			}
		})
	}
}

// leave sends a close frame on all connections, and cuts those that do not respond.
func (d *portable) leave() {
	d.mu.Lock()
	conns := d.conns
	d.conns = nil // later connections check that the crowd has stopped
	d.mu.Unlock()
	for _, c := range conns {
		if d.crowd.cfg.Reset {
			c.Close() //nolint:errcheck // it is closed in any case
			continue
		}
		c.SetWriteDeadline(time.Now().Add(leaveTime)) //nolint:errcheck // Write fails
		c.Write(farewell)                             //nolint:errcheck // it is closed in any case
		c.SetReadDeadline(time.Now().Add(leaveTime))  //nolint:errcheck // as above
	}
}

// follow runs one connection. It calls settled when the connection is ready.
func (d *portable) follow(ctx context.Context, s *session, settled func()) error {
	c, err := d.dial(ctx, s)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // it is closed in any case
	defer s.parser.Release()
	buf := make([]byte, 8<<10)
	var out []byte
	waiting := false // for Due, by a deadline
	for {
		if s.ready {
			settled()
			if s.slow {
				<-d.crowd.stopped
				return nil
			}
		}
		n, err := c.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) && !d.crowd.stopping.Load() {
			out, err, waiting = s.client.Due(out[:0]), nil, false
			d.unlimit(c)
		} else if err == nil {
			out, err = s.take(buf[:n], time.Now(), out[:0])
			if every := d.crowd.cfg.DueEvery; s.ready && every > 0 && !waiting {
				c.SetReadDeadline(time.Now().Add(every)) //nolint:errcheck // Read fails
				waiting = true
			}
		}
		if err != nil {
			return err
		}
		if len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				return err
			}
		}
	}
}

// unlimit removes the read deadline, or sets that of leave.
func (d *portable) unlimit(c net.Conn) {
	c.SetReadDeadline(time.Time{}) //nolint:errcheck // Read fails
	if d.crowd.stopping.Load() {
		c.SetReadDeadline(time.Now().Add(leaveTime)) //nolint:errcheck // Read fails
	}
}

// dial connects and sends the request.
func (d *portable) dial(ctx context.Context, s *session) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	request, err := s.begin()
	if err != nil {
		return nil, err
	}
	c, err := d.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.conns = append(d.conns, c)
	d.mu.Unlock()
	// leave may have run before the connection was added.
	if d.crowd.stopping.Load() {
		c.Close() //nolint:errcheck // it is of no use
		return nil, errStopped
	}
	if s.upgraded { // no handshake
		s.checkReady()
		return c, nil
	}
	_, err = c.Write(request)
	return c, err
}

func (d *portable) connect(ctx context.Context, s *session) (net.Conn, error) {
	dialer := net.Dialer{}
	if from := d.crowd.source(s.index); from.IsValid() {
		dialer.LocalAddr = &net.TCPAddr{IP: from.AsSlice()}
	}
	c, err := dialer.DialContext(ctx, "tcp", d.crowd.address(s.index).String())
	if err != nil {
		return nil, err
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		if s.slow {
			tcp.SetReadBuffer(slowBuffer) //nolint:errcheck // then it is slow a little later
		}
		if d.crowd.cfg.Reset {
			tcp.SetLinger(0) //nolint:errcheck // then its port is in use for longer
		}
	}
	if d.crowd.cfg.Secure == nil {
		return c, nil
	}
	return d.crowd.cfg.Secure(ctx, s.index, c)
}
