package schedule

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// TestOrder: messages are pushed in the order of their times, each when it is due, whenever
// it was scheduled; what was due before the start is pushed at once.
func TestOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t)
		b.at(time.Second, "news", "missed")
		time.Sleep(2 * time.Second)
		s := b.start()
		synctest.Wait()
		b.want("news", "missed")
		b.at(3*time.Hour, "news", "third")
		b.at(time.Hour, "news", "first")
		b.at(2*time.Hour, "news", "second")
		time.Sleep(time.Hour - time.Millisecond)
		b.want("news", "missed")
		time.Sleep(lookEvery)
		b.want("news", "missed", "first")
		time.Sleep(2 * time.Hour)
		b.want("news", "missed", "first", "second", "third")
		if pushed, expired := s.Stats(); pushed != 4 || expired != 0 {
			t.Errorf("%d pushed, %d expired", pushed, expired)
		}
	})
}

// TestPrecision: what is due soon is pushed when it is, and not at the next look.
func TestPrecision(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.start()
		synctest.Wait()
		b.at(137*time.Millisecond, "news", "soon")
		s.Wake()
		time.Sleep(136 * time.Millisecond)
		synctest.Wait()
		b.want("news")
		time.Sleep(time.Millisecond)
		synctest.Wait()
		b.want("news", "soon")
	})
}

// TestClockJumps: what a jump of the clock makes due is pushed, and what one back makes due
// later is pushed then.
func TestClockJumps(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t)
		b.start()
		b.at(time.Hour, "news", "an hour")
		b.jumpTo(2 * time.Hour)
		time.Sleep(lookEvery)
		synctest.Wait()
		b.want("news", "an hour")

		b.at(time.Minute, "news", "a minute")
		b.jumpTo(time.Hour) // back
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		b.want("news", "an hour")
		time.Sleep(time.Hour)
		synctest.Wait()
		b.want("news", "an hour", "a minute")
	})
}

// TestBurst: more than fit in a page are due at the same moment. All are pushed at once, in
// order, in as few appends as that takes.
func TestBurst(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.start()
		var want []string
		for i := range 3*pageSize + 1 {
			id := fmt.Sprintf("%04d", i)
			b.at(time.Minute, "news", id)
			want = append(want, id)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := b.pushed("news"); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("%d were pushed, want %d", len(got), len(want))
		}
		if n := b.log.set(nil); n != 4 {
			t.Errorf("%d appends, want 4", n)
		}
		if pushed, _ := s.Stats(); pushed != uint64(len(want)) {
			t.Errorf("%d are counted", pushed)
		}
	})
}

// TestFailures: what fails is tried again until it succeeds, is pushed once, and is logged once.
func TestFailures(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.start()
		b.log.set(engine.ErrFull)
		b.at(time.Second, "news", "late")
		b.step(time.Second, "7")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		b.want("news")
		if n := b.log.set(nil); n < 10 || n > 20 {
			t.Errorf("%d attempts in 9 s", n)
		}
		b.mu.Lock()
		b.fail = engine.ErrStalled
		b.mu.Unlock()
		time.Sleep(2 * lookEvery)
		synctest.Wait()
		b.want("news", "late")
		b.mu.Lock()
		if b.fail = nil; b.steps != nil {
			t.Errorf("the steps %q were run", b.steps)
		}
		b.mu.Unlock()
		time.Sleep(lookEvery)
		synctest.Wait()
		b.want("news", "late")
		if !slices.Equal(b.steps, []string{"7"}) {
			t.Errorf("the steps %q were run", b.steps)
		}
		text := b.lines.String()
		if strings.Count(text, "wait at the moment") != 1 || strings.Count(text, "go on") != 1 {
			t.Errorf("logged\n%s", text)
		}
		if pushed, _ := s.Stats(); pushed != 1 {
			t.Errorf("%d are counted", pushed)
		}
	})
}

// TestNotReady: nothing is read or tried while the log takes no entries.
func TestNotReady(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t)
		var mu sync.Mutex
		unready := io.EOF
		b.config.Ready = func() error { mu.Lock(); defer mu.Unlock(); return unready }
		b.start()
		b.at(time.Second, "news", "later")
		time.Sleep(time.Minute)
		if n := b.log.set(nil); n != 0 {
			t.Errorf("%d attempts", n)
		}
		mu.Lock()
		unready = nil
		mu.Unlock()
		time.Sleep(lookEvery)
		synctest.Wait()
		b.want("news", "later")
	})
}

// TestCloseWaits: Close waits for an append that is under way, and nothing is run after it.
func TestCloseWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t)
		b.log.block = make(chan struct{})
		s := b.start()
		b.at(time.Second, "news", "under way")
		b.at(time.Hour, "news", "too late")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		closed := make(chan struct{})
		go func() { s.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait")
		default:
		}
		close(b.log.block)
		<-closed
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		// The context has ended, so the append may have been refused, but not half made.
		if got := b.pushed("news"); len(got) > 1 || len(got) == 1 && got[0] != "under way" {
			t.Errorf("after Close the channel has %q", got)
		}
	})
}

// TestExpired: a message whose time to live has ended is not pushed, and its timer is removed.
func TestExpired(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t)
		b.entry(time.Minute, &engine.Entry{Channel: "news", ID: "short", TTL: 2 * time.Minute, Data: []byte("short")})
		b.entry(time.Minute, &engine.Entry{Channel: "news", ID: "long", TTL: time.Hour, Data: []byte("long")})
		time.Sleep(10 * time.Minute)
		s := b.start()
		synctest.Wait()
		b.want("news", "long")
		if _, expired := s.Stats(); expired != 1 {
			t.Errorf("%d expired", expired)
		}
		if list, _, err := s.List(t.Context(), "", "", 10); err != nil || len(list) != 0 {
			t.Errorf("scheduled are %v, %v", list, err)
		}
		page, err := b.log.Read(t.Context(), "news", 0, 10, 1000)
		if err != nil || page.Records[0].Expires-page.Records[0].Time != (50*time.Minute).Milliseconds() {
			t.Errorf("%+v, %v: the time to live began when it was scheduled", page.Records[0], err)
		}
	})
}

// TestFields: a message is pushed as it was scheduled, with its trace context, and with the
// timer of its first step, whose time begins then.
func TestFields(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t)
		b.start()
		b.entry(time.Hour, &engine.Entry{
			Channel: "user:42", ID: "x", Idempotent: true, Key: "k", ContentType: "text/plain", Trace: "\x00\xff", Data: []byte("hi"),
			Sets: &engine.Timer{Kind: engine.TimerStep, Due: b.now().Add(time.Minute).UnixMilli(), Data: []byte(`{"a":1}`)},
		})
		time.Sleep(time.Hour)
		synctest.Wait()
		page, err := b.log.Read(t.Context(), "user:42", 0, 10, 1000)
		if err != nil || len(page.Records) != 1 {
			t.Fatal(page, err)
		}
		if r := page.Records[0]; r.ID != "x" || r.Key != "k" || r.ContentType != "text/plain" || r.Trace != "\x00\xff" || string(r.Data) != "hi" {
			t.Errorf("%+v", r)
		}
		list, err := b.log.ListTimers(t.Context(), engine.TimerQuery{Kind: engine.TimerStep}, 10)
		if err != nil || len(list) != 1 || string(list[0].Data) != `{"a":1}` {
			t.Fatal(list, err)
		}
		if late := b.now().Add(time.Minute).UnixMilli() - list[0].Due; late < 0 || late > lookEvery.Milliseconds() {
			t.Errorf("the step is due %d ms off", late)
		}
	})
}

// TestMemoryOnly: the message goes to the log in memory, and its timer is removed.
func TestMemoryOnly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.start()
		b.at(time.Second, "memory:1", "a")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		b.want("memory:1", "a")
		if list, _, err := s.List(t.Context(), "", "", 10); err != nil || len(list) != 0 {
			t.Errorf("scheduled are %v, %v", list, err)
		}
	})
}

// TestMalformed: what cannot be read is removed and logged, and does not hold up the others.
func TestMalformed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t)
		out, err := b.log.Engine.Append(t.Context(), []engine.Entry{{Channel: "news", ID: "bad", Bare: true, Sets: &engine.Timer{
			Kind: engine.TimerPush, ID: "bad", Due: b.now().UnixMilli(), Data: []byte("\x09{}"),
		}}})
		if err != nil || out[0].Err != nil {
			t.Fatal(out, err)
		}
		b.at(0, "news", "good")
		s := b.start()
		time.Sleep(lookEvery)
		synctest.Wait()
		b.want("news", "good")
		if list, _, err := s.List(t.Context(), "", "", 10); err != nil || len(list) != 0 || strings.Count(b.lines.String(), "cannot be read") != 1 {
			t.Errorf("scheduled are %v, %v; logged\n%s", list, err, b.lines.String())
		}
	})
}

// TestListAndCancel: pages continue where the last one ended, and what is canceled is not
// pushed.
func TestListAndCancel(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t)
		s := b.start()
		for _, channel := range []string{"a", "b"} {
			for _, id := range []string{"1", "2"} {
				b.at(time.Minute, channel, id)
			}
		}
		var got []string
		for after := ""; ; {
			page, next, err := s.List(t.Context(), "", after, 3)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, timer := range page {
				got = append(got, timer.Channel+timer.ID)
			}
			after = next
		}
		if want := []string{"a1", "a2", "b1", "b2"}; !slices.Equal(got, want) {
			t.Errorf("%q are listed, want %q", got, want)
		}
		if _, _, err := s.List(t.Context(), "", "?", 3); !errors.Is(err, ErrCursor) {
			t.Errorf("a list from nowhere: %v", err)
		}
		if err := errors.Join(s.Cancel(t.Context(), "1", ""), s.Cancel(t.Context(), "2", "a")); err != nil {
			t.Error(err)
		}
		if err := s.Cancel(t.Context(), "1", ""); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("canceled again: %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		b.want("a")
		b.want("b", "2")
	})
}

// TestNodes: of two nodes, the first of a channel runs what is due; the other one does so if it
// does not, a moment later.
func TestNodes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := newBench(t)
		nodes := func(self int) func() ([]string, int) {
			return func() ([]string, int) { return []string{"a", "b"}, self }
		}
		b.config.Nodes = nodes(0)
		first := New(b.config)
		b.config.Nodes = nodes(1)
		second := New(b.config)
		for i := range 20 {
			b.at(time.Second, fmt.Sprint("channel", i), "x")
		}
		time.Sleep(time.Second + stepAside/2)
		synctest.Wait()
		one, _ := first.Stats()
		two, _ := second.Stats()
		if one == 0 || two == 0 || one+two != 20 {
			t.Errorf("the nodes pushed %d and %d of 20", one, two)
		}
		second.Close()
		for i := range 20 {
			b.at(time.Second, fmt.Sprint("channel", i), "y")
		}
		time.Sleep(time.Second + 2*stepAside)
		synctest.Wait()
		if all, _ := first.Stats(); all != one+20 {
			t.Errorf("alone it pushed %d, want 20", all-one)
		}
		first.Close()
	})
}
