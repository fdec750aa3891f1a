package conn

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// alarm is a timer that records when it fired.
type alarm struct {
	Timer
	l     *Loop
	fired []time.Duration
	again time.Duration
}

func newAlarm(l *Loop) *alarm {
	a := &alarm{l: l}
	a.Owner = a
	return a
}

func (a *alarm) Expired() {
	a.fired = append(a.fired, a.l.Now().Sub(a.l.start))
	if a.again > 0 {
		a.l.Arm(&a.Timer, a.again)
	}
}

// inLoop runs a test with a loop in a bubble; on runs a function on the loop.
func inLoop(t *testing.T, test func(t *testing.T, l *Loop, on func(func()))) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLoop(Config{})
		defer l.Close()
		test(t, l, func(f func()) {
			done := make(chan struct{})
			l.Post(Func(func() { f(); close(done) }))
			<-done
		})
	})
}

// TestTimerPunctual: never early, and less than a tick late, however far in the future.
func TestTimerPunctual(t *testing.T) {
	inLoop(t, func(t *testing.T, l *Loop, on func(func())) {
		time.Sleep(12345678 * time.Nanosecond) // off the tick
		waits := []time.Duration{
			-time.Second, 0, 1, time.Millisecond, tick - 1, tick, tick + 1, 999 * time.Millisecond,
			25 * time.Second, 51 * time.Second, 51200 * time.Millisecond, 52 * time.Second,
			3 * time.Minute, time.Hour, 30 * 24 * time.Hour,
		}
		never := newAlarm(l)
		on(func() { l.Arm(&never.Timer, math.MaxInt64) })
		var alarms []*alarm
		var armed time.Duration
		on(func() {
			armed = l.Now().Sub(l.start)
			for _, d := range waits {
				a := newAlarm(l)
				l.Arm(&a.Timer, d)
				alarms = append(alarms, a)
			}
		})
		time.Sleep(31 * 24 * time.Hour)
		on(func() {
			for i, a := range alarms {
				if len(a.fired) != 1 {
					t.Fatalf("%v: fired %v", waits[i], a.fired)
				}
				if late := a.fired[0] - armed - max(waits[i], 0); late < 0 || late > tick {
					t.Errorf("%v: fired %v late", waits[i], late)
				}
			}
			if len(never.fired) > 0 {
				t.Error("a timer in the far future fired")
			}
			l.Disarm(&never.Timer)
			if l.wheel.armed != 0 || l.wheel.used != [wheelSize / 64]uint64{} {
				t.Error("the wheel is not empty")
			}
		})
	})
}

// TestTimerRearm: the last Arm counts, whether earlier or later.
func TestTimerRearm(t *testing.T) {
	inLoop(t, func(t *testing.T, l *Loop, on func(func())) {
		later, sooner, never := newAlarm(l), newAlarm(l), newAlarm(l)
		on(func() {
			l.Arm(&later.Timer, time.Second)
			l.Arm(&later.Timer, 2*time.Second)
			l.Arm(&sooner.Timer, 2*time.Second)
			l.Arm(&sooner.Timer, time.Second)
			l.Arm(&never.Timer, time.Second)
			l.Disarm(&never.Timer)
			l.Disarm(&never.Timer)
		})
		time.Sleep(time.Minute)
		on(func() {
			if len(later.fired) != 1 || later.fired[0] < 2*time.Second || later.fired[0] > 2*time.Second+tick {
				t.Errorf("later: %v", later.fired)
			}
			if len(sooner.fired) != 1 || sooner.fired[0] > time.Second+tick {
				t.Errorf("sooner: %v", sooner.fired)
			}
			if len(never.fired) != 0 {
				t.Errorf("never: %v", never.fired)
			}
		})
	})
}

// TestTimerPeriodic re-arms itself, also for the next tick.
func TestTimerPeriodic(t *testing.T) {
	inLoop(t, func(t *testing.T, l *Loop, on func(func())) {
		second, soon := newAlarm(l), newAlarm(l)
		on(func() {
			second.again, soon.again = time.Second, 1
			l.Arm(&second.Timer, time.Second)
			l.Arm(&soon.Timer, 1)
		})
		time.Sleep(time.Minute + tick)
		on(func() {
			if n := len(second.fired); n < 54 || n > 60 {
				t.Errorf("%d times in a minute, want once a second", n)
			}
			if n := len(soon.fired); n < 300 || n > 602 {
				t.Errorf("%d times in a minute, want about once a tick", n)
			}
			l.Disarm(&second.Timer)
			l.Disarm(&soon.Timer)
		})
	})
}

// killer disarms another timer of the same tick, and arms a third one.
type killer struct {
	Timer
	l          *Loop
	kill, make *Timer
	ran        bool
}

func (k *killer) Expired() {
	k.ran = true
	k.l.Disarm(k.kill)
	k.l.Arm(k.make, 0)
}

// TestTimerInTimer: owners may change the wheel while it advances.
func TestTimerInTimer(t *testing.T) {
	inLoop(t, func(t *testing.T, l *Loop, on func(func())) {
		a, b := &killer{l: l}, &killer{l: l}
		made := newAlarm(l)
		a.Owner, a.kill, a.make = a, &b.Timer, &made.Timer
		b.Owner, b.kill, b.make = b, &a.Timer, &made.Timer
		on(func() {
			l.Arm(&a.Timer, time.Second)
			l.Arm(&b.Timer, time.Second)
		})
		time.Sleep(time.Minute)
		on(func() {
			if a.ran == b.ran {
				t.Errorf("ran: %v and %v, want one of them", a.ran, b.ran)
			}
			if len(made.fired) != 1 {
				t.Errorf("made: %v", made.fired)
			}
		})
	})
}

// listed is a timer that knows when it is due.
type listed struct {
	Timer
	t    *testing.T
	w    *wheel
	want uint32 // 0: not armed
	// again is called when it has fired.
	again func()
}

func (x *listed) Expired() {
	if x.want == 0 || x.want > x.w.floor {
		x.t.Fatalf("tick %d: a timer for %d fired", x.w.floor, x.want)
	}
	x.want = 0
	if x.again != nil {
		x.again()
	}
}

// TestWheelAgainstList compares the wheel with a list of deadlines.
func TestWheelAgainstList(t *testing.T) {
	t.Parallel()
	var w wheel
	rnd := rand.New(rand.NewPCG(3, 4))
	timers := make([]*listed, 200)
	for i := range timers {
		timers[i] = &listed{t: t, w: &w}
		timers[i].Owner = timers[i]
	}
	for range 20000 {
		x := timers[rnd.IntN(len(timers))]
		switch rnd.IntN(10) {
		case 0:
			// In several turns, between which timers change.
			to := w.now + uint32(rnd.IntN(3)*rnd.IntN(700))
			for w.advance(to, 3) == 3 {
				x := timers[rnd.IntN(len(timers))]
				x.want = max(w.now, w.floor) + 1 + uint32(rnd.IntN(1000))
				w.arm(&x.Timer, x.want)
			}
			for _, x := range timers {
				if x.want != 0 && x.want <= w.now {
					t.Fatalf("tick %d: a timer for %d did not fire", w.now, x.want)
				}
			}
		case 1, 2:
			w.disarm(&x.Timer)
			x.want = 0
		default:
			x.want = w.now + 1 + uint32(rnd.IntN(1+rnd.IntN(2000)))
			w.arm(&x.Timer, x.want)
		}
	}
}

// TestManyTimers: of many timers that are due, only so many fire in one turn, none is
// forgotten, and those that they arm fire later.
func TestManyTimers(t *testing.T) {
	t.Parallel()
	var w wheel
	timers := make([]*listed, 10)
	for i := range timers {
		x := &listed{t: t, w: &w, want: 5}
		x.Owner = x
		x.again = func() {
			x.again, x.want = nil, 6
			w.arm(&x.Timer, 1) // due already: at the next tick
		}
		timers[i] = x
		w.arm(&x.Timer, 5)
	}
	for i, want := range []int{4, 4, 2} {
		if n := w.advance(5, 4); n != want {
			t.Errorf("turn %d: %d timers fired, want %d", i, n, want)
		}
	}
	if n := w.advance(6, 100); n != len(timers) {
		t.Errorf("%d timers fired at the next tick, want %d", n, len(timers))
	}
}

// countingPoller counts how often a loop waits.
type countingPoller struct {
	poller
	waits atomic.Int64
}

func (c *countingPoller) wait(d time.Duration) {
	c.waits.Add(1)
	c.poller.wait(d)
}

// TestNoTick: without a timer the loop sleeps; with a timer far in the future it does
// not wake for every tick.
func TestNoTick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		counted := &countingPoller{poller: newSignal()}
		l := newLoop(Config{}, counted, newSocket)
		defer l.Close()
		a := newAlarm(l)
		time.Sleep(time.Hour)
		idle := counted.waits.Load()
		l.Post(Func(func() { l.Arm(&a.Timer, time.Hour) }))
		time.Sleep(time.Hour + time.Second)
		if idle > 1 {
			t.Errorf("slept %d times in an idle hour", idle)
		}
		if n := counted.waits.Load() - idle; n > 80 {
			t.Errorf("slept %d times for a timer of an hour", n)
		}
	})
}

func TestTimerAllocs(t *testing.T) {
	var w wheel
	timer := &Timer{}
	if n := testing.AllocsPerRun(100, func() {
		w.arm(timer, 100)
		w.arm(timer, 200)
		w.arm(timer, 50)
		w.disarm(timer)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
