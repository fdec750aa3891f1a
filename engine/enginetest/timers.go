package enginetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/wirepost/wirepost/engine"
)

// push is an entry that sets a timer without a record.
func push(channel, id string, due int64) engine.Entry {
	return engine.Entry{
		Channel: channel, ID: id, Idempotent: true, Bare: true,
		Sets: &engine.Timer{Kind: engine.TimerPush, ID: id, Due: due, Data: []byte("data of " + id)},
	}
}

// fire is an entry that is the effect of a timer.
func fire(t engine.Timer) engine.Entry {
	return engine.Entry{Channel: t.Channel, ID: t.ID, Idempotent: true, Data: t.Data, Ends: &t}
}

func due(t *testing.T, e engine.Engine, at int64, limit int) []engine.Timer {
	t.Helper()
	timers, next, err := e.DueTimers(t.Context(), at, limit)
	equal(t, "error", err, nil)
	if limit > 0 && len(timers) < limit && next <= at {
		t.Fatalf("%d timers are due at %d, and the next one at %d", len(timers), at, next)
	}
	return timers
}

func listTimers(t *testing.T, e engine.Engine, q engine.TimerQuery, limit int) []engine.Timer {
	t.Helper()
	timers, err := e.ListTimers(t.Context(), q, limit)
	equal(t, "error", err, nil)
	return timers
}

// timerNames returns the channels and IDs of timers.
func timerNames(timers []engine.Timer) []string {
	names := []string{}
	for _, t := range timers {
		names = append(names, t.Channel+" "+t.ID)
	}
	return names
}

func testTimerOnce(t *testing.T, e engine.Engine, c *Clock) {
	at := c.Now().UnixMilli() + 1000
	r := appendAll(t, e, push("a", "x", at))[0]
	equal(t, "set", r, engine.Result{Time: c.Now().UnixMilli(), ID: "x", Due: at})
	wantLog(t, e, "a", []int{}, 0)
	equal(t, "not due", due(t, e, at-1, 10), []engine.Timer{})
	_, next, err := e.DueTimers(t.Context(), at-1, 10)
	equal(t, "error", err, nil)
	equal(t, "next", next, at)
	timers := due(t, e, at, 10)
	want := engine.Timer{Channel: "a", Kind: engine.TimerPush, ID: "x", Due: at, Data: []byte("data of x")}
	equal(t, "due", timers, []engine.Timer{want})
	equal(t, "due again", due(t, e, at, 10), timers)

	equal(t, "pushed", appendAll(t, e, fire(want))[0].Seq, uint64(1))
	equal(t, "pushed again", appendAny(t, e, fire(want))[0], engine.Result{Err: engine.ErrNotFound})
	equal(t, "due", due(t, e, at+1e6, 10), []engine.Timer{})
	wantLog(t, e, "a", []int{1}, 0)
	again := appendAll(t, e, push("a", "x", at))[0]
	equal(t, "set after the push", again, engine.Result{Seq: 1, Time: c.Now().UnixMilli(), ID: "x", Duplicate: true})
	equal(t, "due", due(t, e, at+1e6, 10), []engine.Timer{})
}

func testTimerRepeat(t *testing.T, e engine.Engine, c *Clock) {
	now := c.Now().UnixMilli()
	appendAll(t, e, push("a", "x", now+5))
	repeat := appendAll(t, e, push("a", "x", now+9), push("a", "x", now+1))
	equal(t, "repeat", repeat[0], engine.Result{Time: now, ID: "x", Duplicate: true, Due: now + 5})
	equal(t, "repeat", repeat[1], repeat[0])
	first, second := push("b", "y", now+3), push("b", "y", now+4)
	both := appendAll(t, e, first, second) // in one call
	equal(t, "due", []int64{both[0].Due, both[1].Due}, []int64{now + 3, now + 3})
	equal(t, "due", timerNames(due(t, e, now+100, 10)), []string{"b y", "a x"})

	// The push with the ID of a timer that is still there does not remove it; the timer's
	// own push, which is a duplicate then, does.
	timer := due(t, e, now+100, 10)[1]
	appendAll(t, e, chosen("a", "x"))
	r := appendAll(t, e, fire(timer))[0]
	equal(t, "pushed by others", r.Duplicate, true)
	equal(t, "due", timerNames(due(t, e, now+100, 10)), []string{"b y"})
	wantLog(t, e, "a", []int{1}, 0)
}

func testTimerEnds(t *testing.T, e engine.Engine, c *Clock) {
	now := c.Now().UnixMilli()
	appendAll(t, e, push("a", "x", now+5))
	cancel := engine.Entry{Channel: "a", Bare: true, Ends: &engine.Timer{Kind: engine.TimerPush, ID: "x", Due: now + 5}}
	for name, change := range map[string]func(*engine.Timer, *engine.Entry){
		"time":    func(t *engine.Timer, _ *engine.Entry) { t.Due++ },
		"kind":    func(t *engine.Timer, _ *engine.Entry) { t.Kind = engine.TimerStep },
		"ID":      func(t *engine.Timer, _ *engine.Entry) { t.ID = "xx" },
		"channel": func(_ *engine.Timer, in *engine.Entry) { in.Channel = "b" },
	} {
		in, timer := cancel, *cancel.Ends
		in.Ends = &timer
		change(&timer, &in)
		in.Bare = false
		equal(t, "another "+name, appendAny(t, e, in)[0], engine.Result{Err: engine.ErrNotFound})
	}
	wantLog(t, e, "a", []int{}, 0)
	results := appendAny(t, e, cancel, cancel)
	equal(t, "canceled", results[0], engine.Result{Time: now})
	equal(t, "canceled twice", results[1], engine.Result{Err: engine.ErrNotFound})
	equal(t, "due", due(t, e, now+100, 10), []engine.Timer{})
	equal(t, "set again", appendAll(t, e, push("a", "x", now+7))[0].Due, now+7)
}

// testTimerMoves replaces a timer by itself, as whoever claims it does.
func testTimerMoves(t *testing.T, e engine.Engine, c *Clock) {
	now := c.Now().UnixMilli()
	step := func(from, to int64) engine.Entry {
		timer := engine.Timer{Kind: engine.TimerStep, ID: "1", Due: from}
		moved := timer
		moved.Due, moved.Data = to, fmt.Append(nil, to)
		return engine.Entry{Channel: "a", Bare: true, Ends: &timer, Sets: &moved}
	}
	first := message("a", "m")
	first.Sets = &engine.Timer{Kind: engine.TimerStep, Due: now + 10}
	equal(t, "set", appendAll(t, e, first)[0].Due, now+10)
	got := due(t, e, now+10, 10)
	equal(t, "timer", got, []engine.Timer{{Channel: "a", Kind: engine.TimerStep, ID: "1", Due: now + 10, Seq: 1}})
	results := appendAny(t, e, step(now+10, now+50), step(now+10, now+50))
	equal(t, "claimed", results[0].Due, now+50)
	equal(t, "claimed by another", results[1].Err, engine.ErrNotFound)
	equal(t, "due", due(t, e, now+49, 10), []engine.Timer{})
	appendAll(t, e, step(now+50, now+20)) // earlier than what a scan has seen
	equal(t, "due", len(due(t, e, now+20, 10)), 1)

	again := message("a", "m2")
	again.Sets = &engine.Timer{Kind: engine.TimerStep, ID: "1", Due: now + 30}
	appendAll(t, e, again)
	got = due(t, e, now+100, 10)
	equal(t, "replaced", got, []engine.Timer{{Channel: "a", Kind: engine.TimerStep, ID: "1", Due: now + 30, Seq: 2}})
}

func testTimerOrder(t *testing.T, e engine.Engine, c *Clock) {
	now := c.Now().UnixMilli()
	var entries []engine.Entry
	for i := range int64(30) {
		entries = append(entries, push("c", fmt.Sprint(i), now+i*7%30))
	}
	appendAll(t, e, entries...)
	all := due(t, e, now+100, 100)
	equal(t, "number", len(all), 30)
	for i := range all {
		equal(t, "due", all[i].Due, now+int64(i))
	}
	equal(t, "first", due(t, e, now+100, 7), all[:7])
	equal(t, "none", due(t, e, now+100, 0), []engine.Timer{})
	equal(t, "up to a time", due(t, e, now+12, 100), all[:13])
	for i := range all {
		equal(t, "next", due(t, e, now+100, 1), all[i:i+1])
		appendAll(t, e, fire(all[i]))
	}
	equal(t, "none is left", due(t, e, now+100, 1), []engine.Timer{})
	appendAll(t, e, push("c", "late", now-5)) // before all of those
	equal(t, "late", timerNames(due(t, e, now, 10)), []string{"c late"})
}

func testListTimers(t *testing.T, e engine.Engine, c *Clock) {
	now := c.Now().UnixMilli()
	channels, ids := []string{"a", "ab", "b", "user:1", "user:11"}, []string{"1", "11", "2", "x", "ÿ"}
	var all []string
	for _, channel := range slices.Backward(channels) {
		for _, id := range ids {
			appendAll(t, e, push(channel, id, now+5))
			all = append(all, channel+" "+id)
		}
		step := message(channel, "other")
		step.Sets = &engine.Timer{Kind: engine.TimerStep, Due: now + 1}
		appendAll(t, e, step)
	}
	slices.Sort(all)
	pages := func(q engine.TimerQuery, limit int) (names []string) {
		for {
			page := listTimers(t, e, q, limit)
			names = append(names, timerNames(page)...)
			if len(page) < limit {
				return names
			}
			last := page[len(page)-1]
			q.AfterChannel, q.AfterID = last.Channel, last.ID
		}
	}
	for _, limit := range []int{1, 2, 3, 1000} {
		equal(t, "all", pages(engine.TimerQuery{Kind: engine.TimerPush}, limit), all)
		for _, id := range append(ids, "3") {
			want := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return name[len(name)-len(id)-1:] != " "+id })
			equal(t, "by ID", pages(engine.TimerQuery{Kind: engine.TimerPush, ID: id}, limit), want)
		}
		for _, channel := range append(channels, "user:") {
			var want []string
			for _, id := range ids {
				if slices.Contains(channels, channel) {
					want = append(want, channel+" "+id)
				}
				one := listTimers(t, e, engine.TimerQuery{Kind: engine.TimerPush, Channel: channel, ID: id}, limit)
				equal(t, "one", timerNames(one), append([]string{}, want[max(0, len(want)-1):]...))
			}
			equal(t, "by channel", pages(engine.TimerQuery{Kind: engine.TimerPush, Channel: channel}, limit), want)
		}
		equal(t, "of another kind", timerNames(listTimers(t, e, engine.TimerQuery{Kind: engine.TimerStep, Channel: "a"}, limit)), []string{"a 1"})
	}
	equal(t, "limit", listTimers(t, e, engine.TimerQuery{Kind: engine.TimerPush}, 0), []engine.Timer{})
}

// testTimerConcurrent has many try to be the one whose entry ends a timer.
func testTimerConcurrent(t *testing.T, e engine.Engine, c *Clock) {
	const actors, number = 8, 25
	now := c.Now().UnixMilli()
	var entries []engine.Entry
	for i := range number {
		entries = append(entries, push("a", fmt.Sprint(i), now))
	}
	appendAll(t, e, entries...)
	timers := due(t, e, now, 1000)
	equal(t, "timers", len(timers), number)
	var won, lost atomic.Int64
	var wg sync.WaitGroup
	for range actors {
		wg.Go(func() {
			for _, timer := range timers {
				in := fire(timer)
				in.Idempotent = false // only the timer decides
				rs, err := e.Append(t.Context(), []engine.Entry{in})
				switch {
				case err != nil:
					t.Error(err)
				case rs[0].Err == nil:
					won.Add(1)
				default:
					lost.Add(1)
				}
			}
		})
	}
	wg.Wait()
	equal(t, "won and lost", []int64{won.Load(), lost.Load()}, []int64{number, number * (actors - 1)})
	equal(t, "messages", count(t, e, "a", 0), number)
}
