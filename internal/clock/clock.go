// Package clock owns the clock for lifetimes, which does not jump when the system's wall
// clock does.
//
// The clock advances with elapsed time, which the system measures independently of its
// wall clock, and which includes suspends where the system reports them. Each reading
// compares the clock with the wall clock:
//
//   - A difference of up to a minute is a correction, such as NTP makes. It is applied
//     immediately, except that the clock never goes back, see below.
//   - A larger difference is a jump. It is logged and counted. It is applied when it has
//     stayed the same for ten minutes, or immediately if the system was suspended for
//     that long. A jump that is reverted before that has no effect.
//   - Now never goes back. While it is later than the accepted wall clock, it advances at
//     half speed, so that a lifetime is at most twice as long.
//   - After a restart, the clock starts at the wall clock, but not before the last time
//     in the store.
package clock

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// exact is the difference from the wall clock that is not corrected.
	exact = time.Second
	// apart is the longest time between two readings that count as one moment.
	apart = exact / 10
	// correction is the greatest difference that is not a jump.
	correction = time.Minute
	// confirm is how long a jump lasts before it is applied.
	confirm = 10 * time.Minute
	// logPause is the shortest time between two log lines.
	logPause = time.Minute
)

// Source is the source of a Clock's times. The zero value is the system.
type Source struct {
	Wall    func() time.Time     // nil: time.Now
	Elapsed func() time.Duration // nil: derived from Wall, and without jumps if that is nil, too
	// Suspended is the time that the system was suspended and that Elapsed does not
	// include; nil: as the system reports it.
	Suspended func() time.Duration
}

func (s Source) complete() Source {
	if s.Suspended == nil {
		s.Suspended = func() time.Duration { return 0 }
		if s.Wall == nil {
			s.Suspended = suspended
		}
	}
	if s.Wall == nil {
		s.Wall = time.Now
	}
	return s
}

// read returns a function that reads both times at one moment: if time passed between
// the two, the difference would look like a change of the wall clock.
func (s Source) read() func() (wall time.Time, elapsed time.Duration) {
	if s.Elapsed == nil {
		start := s.Wall()
		return func() (time.Time, time.Duration) {
			now := s.Wall()
			return now.Round(0), now.Sub(start)
		}
	}
	return func() (wall time.Time, elapsed time.Duration) {
		for {
			before := s.Elapsed()
			wall, elapsed = s.Wall(), s.Elapsed()
			if elapsed-before < apart {
				return wall.Round(0), elapsed
			}
		}
	}
}

// Clock is a clock that does not jump. All methods are safe for concurrent use.
type Clock struct {
	// static
	source Source
	read   func() (wall time.Time, elapsed time.Duration)
	log    *slog.Logger

	mu struct {
		sync.Mutex
		elapsed   time.Duration // at the last reading
		suspended time.Duration // at the last correction
		wall      time.Time     // the accepted wall clock, at the last reading
		ahead     time.Duration // by how much Now is later; never negative
		jump      time.Duration // the jump that is not applied yet, or 0
		since     time.Duration // when that was first read
		jumps     int64
		logged    time.Duration // when the last log line was written
	}
}

// New returns a clock that does not start before last, which may be zero.
func New(source Source, last time.Time, log *slog.Logger) *Clock {
	c := &Clock{source: source.complete(), log: log}
	m := &c.mu
	c.read = c.source.read()
	m.wall, m.elapsed = c.read()
	m.suspended = c.source.Suspended()
	m.logged = m.elapsed - logPause
	if m.ahead = max(0, last.Sub(m.wall)); m.ahead > correction {
		m.jumps++
		log.Warn("the system's clock is behind the last time that the store knows; lifetimes are up to twice as long until they agree",
			"clock", m.wall, "store", last)
	}
	return c
}

// Now returns the time for lifetimes. It never goes back.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookLocked()
	return c.mu.wall.Add(c.mu.ahead)
}

// Wall returns the accepted wall clock: it ignores jumps that are not confirmed, and may
// go back. It is for times from outside, such as those in a token.
func (c *Clock) Wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookLocked()
	return c.mu.wall
}

// Jumps returns the number of jumps of the system's clock.
func (c *Clock) Jumps() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookLocked()
	return c.mu.jumps
}

func (c *Clock) lookLocked() {
	m := &c.mu
	wall, elapsed := c.read()
	if passed := elapsed - m.elapsed; passed > 0 {
		m.elapsed, m.wall = elapsed, m.wall.Add(passed)
		m.ahead -= min(m.ahead, passed/2)
	}
	off := wall.Sub(m.wall)
	switch {
	case near(off, 0, exact):
		if m.jump != 0 {
			c.logLocked("the system's clock has jumped back")
		}
		m.jump = 0
	case near(off, 0, correction):
		c.stepLocked(off)
	case m.jump != 0 && near(off, m.jump, correction):
		if m.elapsed-m.since >= confirm {
			c.logLocked("a jump of the system's clock has lasted for ten minutes and is applied", "by", off)
			c.stepLocked(off)
		}
	default:
		c.jumpedLocked(off)
	}
}

// jumpedLocked records a jump, unless it is explained by a suspend.
func (c *Clock) jumpedLocked(off time.Duration) {
	m := &c.mu
	if near(off, c.source.Suspended()-m.suspended, correction) {
		c.stepLocked(off)
		return
	}
	m.jump, m.since = off, m.elapsed
	m.jumps++
	c.logLocked("the system's clock has jumped; it is applied if it lasts for ten minutes", "by", off)
}

// stepLocked sets the clock to the wall clock. Now does not go back.
func (c *Clock) stepLocked(off time.Duration) {
	m := &c.mu
	m.wall = m.wall.Add(off)
	m.ahead = max(0, m.ahead-off)
	m.jump = 0
	m.suspended = c.source.Suspended() // all of it is included
}

func (c *Clock) logLocked(message string, args ...any) {
	if m := &c.mu; m.elapsed-m.logged >= logPause {
		m.logged = m.elapsed
		c.log.Warn(message, args...)
	}
}

func near(a, b, by time.Duration) bool { return a-b <= by && b-a <= by }
