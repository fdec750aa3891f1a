// Package clock owns the server's idea of time: a clock by which lifetimes run and
// that does not jump when the system's does.
//
// The clock advances with the time that has elapsed, which the system measures
// apart from its wall clock and which counts a suspend where it can be known. It
// compares itself with the wall clock at each look:
//
//   - A difference of up to a minute is a correction, as NTP makes them. It is taken
//     at once, except that the clock never goes back, see below.
//   - A greater one is a jump. It is logged and counted, and believed once it has
//     stayed the same for ten minutes, or at once if it is how long the system was
//     suspended. A jump that is taken back before changes nothing.
//   - Now never goes back. Where it is later than the wall clock that is believed, it
//     advances at half speed until they are equal, so that a lifetime is at most
//     twice as long.
//   - A restart begins at the wall clock, but not before the last time that the
//     store knows.
package clock

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// exact is what the clock may differ from the wall clock by without being
	// corrected: less than anybody notices.
	exact = time.Second
	// apart is how long the two readings of one look may take.
	apart = exact / 10
	// correction is the greatest difference that is no jump.
	correction = time.Minute
	// confirm is how long a jump has to last before it is believed.
	confirm = 10 * time.Minute
	// logPause is the time between log lines about a clock that jumps all the time.
	logPause = time.Minute
)

// Source is where a Clock gets its times from. The zero value is the system.
type Source struct {
	Wall    func() time.Time     // nil: time.Now
	Elapsed func() time.Duration // nil: as Wall measures it, which is without jumps where that is nil, too
	// Suspended is how long the system was suspended of the time that Elapsed did not
	// count; nil: as the system says.
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
		elapsed   time.Duration // at the last look
		suspended time.Duration // at the last correction
		wall      time.Time     // the wall clock as it is believed, at the last look
		ahead     time.Duration // by how much Now is later; never negative
		jump      time.Duration // the jump that is not believed yet, or 0
		since     time.Duration // when that was first seen
		jumps     int64
		logged    time.Duration // when the last log line was written
	}
}

// New starts a clock that does not begin before the last time that is known; the
// zero time if none is.
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

// Now is the time by which lifetimes run. It never goes back.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookLocked()
	return c.mu.wall.Add(c.mu.ahead)
}

// Wall is the wall clock as it is believed: it ignores jumps that are not confirmed,
// and may go back. It is for times that others have chosen, such as a token's.
func (c *Clock) Wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookLocked()
	return c.mu.wall
}

// Jumps is how often the system's clock jumped.
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
			c.logLocked("the system's clock has jumped back to where it should be")
		}
		m.jump = 0
	case near(off, 0, correction):
		c.stepLocked(off)
	case m.jump != 0 && near(off, m.jump, correction):
		if m.elapsed-m.since >= confirm {
			c.logLocked("the system's clock has stayed where it jumped to and is believed", "by", off)
			c.stepLocked(off)
		}
	default:
		c.jumpedLocked(off)
	}
}

// jumpedLocked notes a jump. One that is a suspend is none.
func (c *Clock) jumpedLocked(off time.Duration) {
	m := &c.mu
	if near(off, c.source.Suspended()-m.suspended, correction) {
		c.stepLocked(off)
		return
	}
	m.jump, m.since = off, m.elapsed
	m.jumps++
	c.logLocked("the system's clock has jumped; it is believed if it stays there for ten minutes", "by", off)
}

// stepLocked follows the wall clock. Now does not go back with it.
func (c *Clock) stepLocked(off time.Duration) {
	m := &c.mu
	m.wall = m.wall.Add(off)
	m.ahead = max(0, m.ahead-off)
	m.jump = 0
	m.suspended = c.source.Suspended() // all of it is a part of what was taken
}

func (c *Clock) logLocked(message string, args ...any) {
	if m := &c.mu; m.elapsed-m.logged >= logPause {
		m.logged = m.elapsed
		c.log.Warn(message, args...)
	}
}

func near(a, b, by time.Duration) bool { return a-b <= by && b-a <= by }
