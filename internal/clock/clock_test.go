package clock

import (
	"log/slog"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fake is a source that the test moves.
type fake struct {
	wall           time.Time
	elapsed, slept time.Duration
	c              *Clock
}

func newFake(last time.Time) *fake {
	f := &fake{wall: noon}
	f.c = New(f.source(), last, slog.New(slog.DiscardHandler))
	return f
}

func (f *fake) source() Source {
	return Source{
		Wall: func() time.Time { return f.wall }, Elapsed: func() time.Duration { return f.elapsed },
		Suspended: func() time.Duration { return f.slept },
	}
}

func (f *fake) jump(d time.Duration) { f.wall = f.wall.Add(d) }

// pass lets time pass, and reads the clock now and then.
func (f *fake) pass(d time.Duration) {
	for left := d; left > 0; {
		step := min(left, 7*time.Second)
		f.wall, f.elapsed = f.wall.Add(step), f.elapsed+step
		left -= step
		f.c.Now()
	}
}

func (f *fake) want(t *testing.T, now, wall time.Duration, jumps int64) {
	t.Helper()
	if got := f.c.Now().Sub(noon); !near(got, now, 10*time.Second) {
		t.Errorf("Now is noon and %v, want %v", got, now)
	}
	if got := f.c.Wall().Sub(noon); !near(got, wall, 10*time.Second) {
		t.Errorf("Wall is noon and %v, want %v", got, wall)
	}
	if got := f.c.Jumps(); got != jumps {
		t.Errorf("%d jumps, want %d", got, jumps)
	}
}

func TestJumpThatIsTakenBack(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{48 * time.Hour, -48 * time.Hour} {
		f := newFake(time.Time{})
		f.pass(time.Minute)
		f.jump(by)
		f.want(t, time.Minute, time.Minute, 1)
		f.pass(9 * time.Minute)
		f.want(t, 10*time.Minute, 10*time.Minute, 1)
		f.jump(-by)
		f.want(t, 10*time.Minute, 10*time.Minute, 1)
		f.pass(time.Hour)
		f.want(t, 70*time.Minute, 70*time.Minute, 1)
	}
}

func TestJumpThatStays(t *testing.T) {
	t.Parallel()
	f := newFake(time.Time{})
	f.jump(48 * time.Hour)
	f.pass(9 * time.Minute)
	f.want(t, 9*time.Minute, 9*time.Minute, 1)
	f.pass(2 * time.Minute)
	f.want(t, 48*time.Hour+11*time.Minute, 48*time.Hour+11*time.Minute, 1)

	// Back: Now waits for the wall clock at half speed.
	f.jump(-48 * time.Hour)
	f.want(t, 48*time.Hour+11*time.Minute, 48*time.Hour+11*time.Minute, 2)
	f.pass(10*time.Minute + 7*time.Second)
	f.want(t, 48*time.Hour+21*time.Minute+7*time.Second, 21*time.Minute+7*time.Second, 2)
	f.pass(48 * time.Hour)
	f.want(t, 72*time.Hour+21*time.Minute+7*time.Second, 48*time.Hour+21*time.Minute+7*time.Second, 2)
	f.pass(49 * time.Hour)
	f.want(t, 97*time.Hour+21*time.Minute+7*time.Second, 97*time.Hour+21*time.Minute+7*time.Second, 2)
}

func TestCorrections(t *testing.T) {
	t.Parallel()
	f := newFake(time.Time{})
	f.jump(30 * time.Second)
	f.want(t, 30*time.Second, 30*time.Second, 0)
	f.jump(-20 * time.Second)
	f.want(t, 30*time.Second, 10*time.Second, 0)
	f.pass(40 * time.Second)
	f.want(t, 50*time.Second, 50*time.Second, 0)
}

func TestSuspend(t *testing.T) {
	t.Parallel()
	f := newFake(time.Time{})
	for range 2 {
		f.jump(8 * time.Hour)
		f.slept += 8 * time.Hour
		f.c.Now()
	}
	f.want(t, 16*time.Hour, 16*time.Hour, 0)
	f.jump(8 * time.Hour) // reverts the jump
	f.want(t, 16*time.Hour, 16*time.Hour, 1)
}

// A suspend that is short enough to be a correction is not counted again in the next.
func TestShortSuspends(t *testing.T) {
	t.Parallel()
	f := newFake(time.Time{})
	for _, d := range []time.Duration{50 * time.Second, 50 * time.Second, 50 * time.Second, 8 * time.Hour} {
		f.jump(d)
		f.slept += d
		f.c.Now()
	}
	f.want(t, 8*time.Hour+150*time.Second, 8*time.Hour+150*time.Second, 0)
}

func TestRestartBehindTheStore(t *testing.T) {
	t.Parallel()
	f := newFake(noon.Add(48 * time.Hour))
	f.want(t, 48*time.Hour, 0, 1)
	f.pass(time.Hour)
	f.want(t, 48*time.Hour+30*time.Minute, time.Hour, 1)

	f = newFake(noon.Add(-48 * time.Hour))
	f.want(t, 0, 0, 0)
}

// TestNowNeverGoesBack moves the wall clock at random.
func TestNowNeverGoesBack(t *testing.T) {
	t.Parallel()
	f := newFake(time.Time{})
	last := f.c.Now()
	for i := range 20_000 {
		d := time.Duration(i*i*7919%7_200_000) * time.Millisecond
		switch i % 5 {
		case 0:
			f.jump(d)
		case 1:
			f.jump(-d)
		default:
			f.wall, f.elapsed = f.wall.Add(d/60), f.elapsed+d/60
		}
		now := f.c.Now()
		if now.Before(last) {
			t.Fatalf("step %d: %v after %v", i, now, last)
		}
		last = now
	}
}

// TestSystem reads the real clocks, without a source.
func TestSystem(t *testing.T) {
	t.Parallel()
	c := New(Source{}, time.Time{}, slog.New(slog.DiscardHandler))
	if off := time.Since(c.Now()); !near(off, 0, correction) {
		t.Errorf("the clock is off by %v", off)
	}
	if a, b := suspended(), suspended(); !near(a, b, time.Second) {
		t.Errorf("suspended for %v and %v", a, b)
	}
}

func BenchmarkNow(b *testing.B) {
	c := New(Source{}, time.Time{}, slog.New(slog.DiscardHandler))
	b.ReportAllocs()
	for b.Loop() {
		c.Now()
	}
}

// Time that passes between the readings of the two clocks does not count as a correction
// of one of them.
func TestPauseBetweenReadings(t *testing.T) {
	t.Parallel()
	f := newFake(time.Time{})
	source, pauses := f.source(), 0
	source.Wall = func() time.Time {
		if pauses > 0 {
			pauses--
			f.wall, f.elapsed = f.wall.Add(time.Minute), f.elapsed+time.Minute
		}
		return f.wall
	}
	f.c = New(source, time.Time{}, slog.New(slog.DiscardHandler))
	pauses = 2
	f.want(t, 2*time.Minute, 2*time.Minute, 0)
	f.pass(time.Minute)
	f.want(t, 3*time.Minute, 3*time.Minute, 0)
}
