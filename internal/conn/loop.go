package conn

import (
	"net"
	"slices"
	"sync"
	"time"
)

// Config is the configuration shared by all connections of a loop.
type Config struct {
	// MaxMessage is the largest message accepted from a peer, in bytes; a longer one is
	// refused by its header (1009), before memory is allocated for it. 0 means 64 KiB.
	MaxMessage int
	// MaxBare is the same for connections whose handshake says Bare. 0 means MaxMessage.
	MaxBare int
	// Portable serves plain TCP like any other connection, without event-driven
	// sockets.
	Portable bool
	// Flush is called at the end of each turn of the loop that did something.
	Flush func()
	// Turned is called with the duration of each of those turns; nil: not at all.
	Turned func(time.Duration)
}

const defaultMaxMessage = 64 << 10

// Task is work posted to a loop.
type Task interface{ Run() }

// Func makes a function a Task.
type Func func()

// Run calls f.
func (f Func) Run() { f() }

// Loop is one goroutine and the connections that it owns. Post, Attach and Close may be
// called from any goroutine; the other methods only on the loop: by tasks, handlers,
// timers and Flush.
type Loop struct {
	// Static.
	cfg    Config
	start  time.Time
	poller poller
	open   func(*Loop, net.Conn) (socket, error)
	// closeTimeout is CloseTimeout, except in tests.
	closeTimeout time.Duration
	wg           sync.WaitGroup // the loop's goroutine, and those that its sockets start

	mu struct {
		sync.Mutex
		posts    []Task
		refusing bool // connections are no longer accepted
		closed   bool // tasks are no longer accepted
	}

	// Owned by the loop.
	now     time.Time
	wheel   wheel
	first   *endpoint // of the list of attached connections
	ended   []*endpoint
	late    []turnEnder
	taken   []Task // scratch of takePosts
	lists   frameLists
	closing bool
	done    bool
}

// turnEnder has work to do at the end of a turn, after Flush.
type turnEnder interface{ turnEnds() }

// newLoop is NewLoop with a given poller and function that makes sockets of
// connections.
func newLoop(cfg Config, p poller, open func(*Loop, net.Conn) (socket, error)) *Loop {
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = defaultMaxMessage
	}
	if cfg.MaxBare == 0 {
		cfg.MaxBare = cfg.MaxMessage
	}
	if cfg.Flush == nil {
		cfg.Flush = func() {}
	}
	if cfg.Turned == nil {
		cfg.Turned = func(time.Duration) {}
	}
	now := time.Now()
	l := &Loop{cfg: cfg, start: now, now: now, poller: p, open: open, closeTimeout: CloseTimeout}
	l.wg.Go(l.run)
	return l
}

// Now is the time at which this turn began.
func (l *Loop) Now() time.Time { return l.now }

// Arm schedules t to expire after d, counted from Now, and replaces an earlier
// schedule. More than three years counts as three years. On the loop.
func (l *Loop) Arm(t *Timer, d time.Duration) {
	d = min(max(d, 0), maxTicks*tick)
	due := (l.now.Sub(l.start) + d + tick - 1) / tick
	l.wheel.arm(t, uint32(due))
}

// Disarm cancels t's schedule, if any. On the loop.
func (l *Loop) Disarm(t *Timer) { l.wheel.disarm(t) }

// ticks is the number of whole ticks since the loop's start.
func (l *Loop) ticks() uint32 { return uint32(l.now.Sub(l.start) / tick) }

// untilTimer returns the time until the next timer; negative means that no timer is
// armed.
func (l *Loop) untilTimer() time.Duration {
	if l.wheel.armed == 0 {
		return -1
	}
	next := l.start.Add(time.Duration(l.wheel.nextTick()) * tick)
	return max(time.Until(next), 0)
}

// Post schedules t to run on the loop; tasks run in the order of posting. It never
// blocks. False means that the loop is closed and t will not run; an accepted task
// always runs.
func (l *Loop) Post(t Task) bool {
	l.mu.Lock()
	if l.mu.closed {
		l.mu.Unlock()
		return false
	}
	l.mu.posts = append(l.mu.posts, t)
	first := len(l.mu.posts) == 1
	l.mu.Unlock()
	if first {
		l.poller.wake()
	}
	return true
}

// HandleInput waits until the loop has handled the input that its event-driven sockets had
// when it was called (of up to 256 of them; a stream reads on a goroutine of its own, which
// it does not wait for). It must not be called on the loop.
func (l *Loop) HandleInput() {
	t := &inputTask{loop: l, done: make(chan struct{})}
	if l.Post(t) {
		<-t.done
	}
}

// inputTask runs in two turns: the first one may have collected its events before there
// was input.
type inputTask struct {
	loop *Loop
	ran  bool
	done chan struct{}
}

// Run implements Task.
func (t *inputTask) Run() {
	if !t.ran {
		t.ran = true
		if t.loop.Post(t) {
			return
		}
	}
	close(t.done)
}

// Attach serves a connection after its upgrade. h runs on the loop before any other
// call, and makes the handler. On error the caller keeps the connection; otherwise the
// loop owns it, and Handler.Closed will be called.
func (l *Loop) Attach(nc net.Conn, hs Handshake, h func(Conn) Handler) error {
	// The caller's buffer may be reused, and must not be modified by unmasking.
	hs.Early = slices.Clone(hs.Early)
	l.mu.Lock()
	refusing := l.mu.refusing
	l.mu.Unlock()
	if refusing {
		return ErrLoopClosed
	}
	sock, err := l.open(l, nc)
	if err != nil {
		return err
	}
	if !l.Post(Func(func() { l.attach(sock, hs, h) })) {
		sock.closeSocket(true)
		return ErrLoopClosed
	}
	return nil
}

// Close aborts the attached connections (1001), runs the posted tasks, and waits for
// all goroutines. Tasks posted meanwhile are accepted at first, so that handlers can
// clean up. It must not be called on the loop; further calls wait as well.
func (l *Loop) Close() {
	l.mu.Lock()
	first := !l.mu.refusing
	l.mu.refusing = true
	l.mu.Unlock()
	if first {
		l.Post(Func(l.abortAll))
	}
	l.wg.Wait()
}

func (l *Loop) run() {
	defer l.poller.close()
	for !l.done {
		l.turn(l.idle())
	}
}

// idle returns how long the loop may wait for events.
func (l *Loop) idle() time.Duration {
	if l.closing || len(l.ended) > 0 || len(l.late) > 0 {
		return 0
	}
	return l.untilTimer()
}

// turn runs posted tasks, then timers, then calls Closed of connections that closed,
// and sends the output that this produced.
func (l *Loop) turn(wait time.Duration) {
	l.poller.wait(wait)
	l.now = time.Now()
	if l.wheel.armed == 0 {
		l.wheel.now = l.ticks() // no armed timers in between
	}
	if l.closing {
		// The last turn: it runs all tasks posted until now.
		l.done = true
		l.refusePosts()
	}
	did := l.poller.dispatch()
	did = l.runPosts() || did
	did = l.wheel.advance(l.ticks(), maxFired) > 0 || did
	did = l.notifyEnded() || did
	if did {
		l.cfg.Flush()
	}
	l.endTurn()
	if did {
		l.cfg.Turned(time.Since(l.now))
	}
	for l.done && l.notifyEnded() {
		// Connections that Flush closed in the last turn.
	}
}

// maxFired is the number of timers that fire in one turn. Further ones that are due wait
// for the next turn, so that socket events and tasks do not wait for many of them.
const maxFired = 64

// runPosts runs the tasks posted before it began.
func (l *Loop) runPosts() bool {
	l.mu.Lock()
	posts := l.mu.posts
	l.mu.posts = l.taken[:0]
	l.mu.Unlock()
	for i, t := range posts {
		posts[i] = nil
		t.Run()
	}
	l.taken = posts
	if cap(posts) > maxScratch {
		l.taken = nil
	}
	return len(posts) > 0
}

// maxScratch is the longest task list that is kept for the next turn.
const maxScratch = 1 << 15

// notifyEnded calls Closed of the connections that closed. This happens here so that
// the call is never made from within another call of the handler.
func (l *Loop) notifyEnded() bool {
	if len(l.ended) == 0 {
		return false
	}
	for i := 0; i < len(l.ended); i++ { // it may grow
		c := l.ended[i]
		l.ended[i] = nil
		c.handler.Closed(c.end.ending)
	}
	l.ended = l.ended[:0]
	return true
}

func (l *Loop) endTurn() {
	for i, s := range l.late {
		l.late[i] = nil
		s.turnEnds()
	}
	l.late = l.late[:0]
}

// pending reports whether a task is posted.
func (l *Loop) pending() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.mu.posts) > 0
}

func (l *Loop) refusePosts() {
	l.mu.Lock()
	l.mu.closed = true
	l.mu.Unlock()
}
