package conn

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is where a loop with event-driven sockets waits: for its sockets, timers and
// posted tasks.
//
// The epoll descriptor is itself in the Go runtime's poller (epolls may be nested, see
// epoll(7)), so a waiting loop is a parked goroutine and holds no thread, and
// collecting events is a system call that never blocks. The loop is woken by setting
// the descriptor's read deadline: that readies the goroutine at once, without a system
// call.
type epoll struct {
	// Static.
	fd   int
	file *os.File
	raw  syscall.RawConn
	// pending reports whether a task is posted.
	pending func() bool

	// sleeping is set while the loop waits and no goroutine has begun to wake it.
	sleeping atomic.Bool

	// Owned by the loop.
	sockets  []*eventSocket // by descriptor
	events   [256]unix.EpollEvent
	ready    int       // of events
	deadline time.Time // the descriptor's deadline, as last set
	stale    bool      // the deadline has passed
	collect  func(fd uintptr) bool
	in       []byte // buffer for reads of sockets
	vector   []unix.Iovec
}

func newEpoll(pending func() bool) (*epoll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if size, due := descriptors.growth(fd); due {
		grow(size) // before the first connections
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that os registers it with the poller
		unix.Close(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	p := &epoll{fd: fd, file: os.NewFile(uintptr(fd), "epoll"), pending: pending, in: make([]byte, 64<<10)}
	p.collect = func(uintptr) bool { p.poll(); return p.ready != 0 }
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		p.file.Close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return p, nil
}

// wait returns when a socket has an event, after d (never, if it is negative), or when
// it is woken.
func (p *epoll) wait(d time.Duration) {
	p.ready = 0
	if d != 0 {
		p.arm(d)
		p.sleeping.Store(true)
		if !p.pending() { // checked once a wake-up can no longer be missed
			if p.raw.Read(p.collect) != nil {
				p.stale = true // the deadline passed: a timer, or wake
			}
			p.sleeping.Store(false)
			return
		}
		p.sleeping.Store(false)
	}
	p.poll()
}

// arm sets the deadline, unless the current one is early enough: an unnecessary wake-up
// costs less than setting it each time.
func (p *epoll) arm(d time.Duration) {
	var until time.Time
	if d > 0 {
		until = time.Now().Add(d)
	}
	enough := until.IsZero() || !p.deadline.IsZero() && !until.Before(p.deadline)
	if p.stale || !enough {
		p.deadline, p.stale = until, false
		p.file.SetReadDeadline(until) //nolint:errcheck // it was set before
	}
}

// wake may be called from any goroutine. A late call, when the loop is already awake
// for another reason, causes one unnecessary wake-up.
func (p *epoll) wake() {
	if p.sleeping.Swap(false) {
		p.file.SetReadDeadline(past) //nolint:errcheck // it was set before
	}
}

var past = time.Unix(1, 0)

// poll collects the available events. It never blocks, so the system call bypasses the
// scheduler.
func (p *epoll) poll() {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 {
		n = 0 // interrupted: the next call returns them
	}
	p.ready = int(n)
}

// dispatch passes the events to their sockets, and reports whether there were any. A
// socket closed by an earlier event of the same round is no longer found; its
// descriptor is not reused before the round is over, because sockets are attached by
// posted tasks only.
func (p *epoll) dispatch() bool {
	for i := range p.events[:p.ready] {
		ev := &p.events[i]
		if s := p.sockets[ev.Fd]; s != nil {
			s.happened(ev.Events)
		}
	}
	return p.ready > 0
}

func (p *epoll) add(s *eventSocket) error {
	if more := int(s.fd) + 1 - len(p.sockets); more > 0 {
		p.sockets = append(p.sockets, make([]*eventSocket, more)...)
	}
	p.sockets[s.fd] = s
	return p.control(unix.EPOLL_CTL_ADD, s.fd, s.interest)
}

func (p *epoll) control(op int, fd int32, interest uint32) error {
	return unix.EpollCtl(p.fd, op, int(fd), &unix.EpollEvent{Events: interest, Fd: fd})
}

// watches reports whether the socket was added, and not removed.
func (p *epoll) watches(s *eventSocket) bool {
	return int(s.fd) < len(p.sockets) && p.sockets[s.fd] == s
}

// remove forgets a socket and closes its descriptor, which also removes it from epoll.
func (p *epoll) remove(s *eventSocket) {
	if p.watches(s) {
		p.sockets[s.fd] = nil
	}
	unix.Close(int(s.fd)) //nolint:errcheck // nothing can be done about it
}

func (p *epoll) close() {
	p.file.Close() //nolint:errcheck // nothing can be done about it
}
