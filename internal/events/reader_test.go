package events

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// taker is a target in the program, which can fail or be slow.
type taker struct {
	mu       sync.Mutex
	fail     error
	slow     time.Duration
	attempts int
	events   []Event
}

func (k *taker) target() Target {
	return Target{Name: "taker", Label: "taker", Deliver: func(ctx context.Context, list []Event) (int, error) {
		k.mu.Lock()
		slow := k.slow
		k.mu.Unlock()
		if rest(ctx, slow); ctx.Err() != nil {
			return 0, ctx.Err()
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.attempts++
		if k.fail != nil {
			return 0, k.fail
		}
		k.events = append(k.events, list...)
		return len(list), nil
	}}
}

func (k *taker) set(fail error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail = fail
}

// complete checks that the events with the IDs 1 to n have arrived in order, or a gap says
// that they are missing, and returns the number of gaps.
func (k *taker) complete(t *testing.T, n int) (gaps int) {
	t.Helper()
	last := uint64(0) // the log of this package's tests has no holes: an ID is a sequence
	for _, e := range k.events {
		switch {
		case e.Type == Gap:
			gaps++
			if e.Data.After != last || e.Data.ResumedAt <= last+1 || e.Seq != e.Data.ResumedAt-1 {
				t.Errorf("after %d: %+v", last, e)
			}
		case e.Seq != last+1 || e.ID != strconv.FormatUint(e.Seq, 10):
			t.Errorf("after %d: %d, %s", last, e.Seq, e.ID)
		}
		last = e.Seq
	}
	if last != uint64(n) {
		t.Errorf("%d events of %d", last, n)
	}
	return gaps
}

// TestDownForAnHour: a target that is down for an hour is tried about once a minute, its
// lag shows, and afterwards it gets everything within a minute, once.
func TestDownForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var log bytes.Buffer
		b.config.Retention, b.config.Logger = 24*time.Hour, slog.New(slog.NewTextHandler(&log, nil))
		k := &taker{fail: errors.New("connection refused")}
		readers, stop := b.start(k.target())
		defer stop()
		for range 3600 {
			b.write(10)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		s := readers.Stats()[0]
		// A minute, of which a random part of up to a half is taken off.
		if k.attempts < 60 || k.attempts > 130 || s.Retried != uint64(k.attempts) || s.Delivered != 0 {
			t.Errorf("%d attempts: %+v", k.attempts, s)
		}
		if lag := time.Since(time.UnixMilli(s.Waiting)); lag < 59*time.Minute || lag > 61*time.Minute || s.Error != "connection refused" {
			t.Errorf("a lag of %s: %+v", lag, s)
		}
		k.set(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if gaps := k.complete(t, 36_000); gaps != 0 {
			t.Errorf("%d gaps", gaps)
		}
		if s := readers.Stats()[0]; s.Waiting != 0 || s.Error != "" || s.Delivered != 36_000 {
			t.Errorf("%+v", s)
		}
		if text := log.String(); strings.Count(text, "are not delivered") != 1 || strings.Count(text, "delivered again") != 1 {
			t.Error(text)
		}
	})
}

// TestSlowTarget: a target that is slower than events come loses those that are older than
// the retention, and each loss is a gap, at the place of what is missing.
func TestSlowTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.config.Retention = time.Minute
		k := &taker{slow: time.Second} // 100 a second, of 300
		readers, stop := b.start(k.target())
		defer stop()
		const seconds = 300
		for range seconds {
			b.write(300)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Second / 2) // a request is under way
		s := readers.Stats()[0]
		if lag := time.Since(time.UnixMilli(s.Waiting)); lag < 50*time.Second || lag > 70*time.Second {
			t.Errorf("a lag of %s: %+v", lag, s)
		}
		k.mu.Lock()
		k.slow = 0
		k.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		gaps := k.complete(t, 300*seconds)
		if gaps < 2 || readers.Stats()[0].Gaps != uint64(gaps) {
			t.Errorf("%d gaps, counted %d", gaps, readers.Stats()[0].Gaps)
		}
		if n := len(k.events); n < 100*seconds {
			t.Errorf("%d events", n)
		}
	})
}

// TestGapAtOnce: a gap does not wait for the next event, because the cursor passes what is
// missing; and it is sent also if nothing had been delivered before.
func TestGapAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.config.Retention = time.Minute
		down := &taker{fail: errors.New("connection refused")}
		_, stop := b.start(down.target())
		b.write(5)
		time.Sleep(time.Second)
		stop()
		time.Sleep(time.Hour)
		k := &taker{}
		for range 2 { // the second time, there is nothing to say
			readers, stop := b.start(k.target())
			time.Sleep(time.Minute)
			stop()
			if len(k.events) != 1 || k.events[0].Type != Gap || k.events[0].Data.After != 0 || k.events[0].Data.ResumedAt != 6 {
				t.Errorf("%+v, %+v", k.events, readers.Stats()[0])
			}
		}
		_, stop = b.start(k.target())
		defer stop()
		b.write(1)
		synctest.Wait()
		k.complete(t, 6)
	})
}

// TestIdleReader: a reader that has delivered everything holds no records, and has read
// each page once.
func TestIdleReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		log := &countingLog{Log: b.config.Log}
		b.config.Log = log
		k := &taker{}
		readers, stop := b.start(k.target())
		defer stop()
		b.write(10 * pageRecords)
		time.Sleep(time.Second)
		synctest.Wait()
		k.complete(t, 10*pageRecords)
		if d := readers.all[0]; d.page.Records != nil {
			t.Errorf("%d records", len(d.page.Records))
		}
		if log.records != 10*pageRecords {
			t.Errorf("%d records were read", log.records)
		}
	})
}

// cutOff stores nothing while it is down.
type cutOff struct {
	engine.Users
	down atomic.Bool
}

func (c *cutOff) Save(ctx context.Context, updates []engine.Update, sync bool) error {
	if c.down.Load() {
		return engine.ErrUnavailable
	}
	return c.Users.Save(ctx, updates, sync)
}

// TestCutOffReader: a node of a cluster that cannot store the cursor delivers one batch and
// no more, because another node may have begun to deliver the same events.
func TestCutOffReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		users := &cutOff{Users: b.engine}
		b.config.Users, b.config.Elsewhere = users, func(string) int { return 0 }
		k := &taker{}
		_, stop := b.start(k.target())
		defer stop()
		synctest.Wait()
		users.down.Store(true)
		b.write(5 * deliverAtOnce)
		time.Sleep(time.Minute)
		synctest.Wait()
		k.complete(t, deliverAtOnce)
		users.down.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		k.complete(t, 5*deliverAtOnce)
	})
}
