package events

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/names"
)

// countingLog counts what is read, and can refuse to append.
type countingLog struct {
	engine.Log
	full    atomic.Bool
	records int
}

func (l *countingLog) Read(ctx context.Context, channel string, after uint64, maxRecords, maxBytes int) (engine.Page, error) {
	p, err := l.Log.Read(ctx, channel, after, maxRecords, maxBytes)
	if channel == Channel {
		l.records += len(p.Records)
	}
	return p, err
}

func (l *countingLog) Append(ctx context.Context, entries []engine.Entry) ([]engine.Result, error) {
	if l.full.Load() {
		return nil, engine.ErrFull
	}
	return l.Log.Append(ctx, entries)
}

// logged lists the events of the log.
func (b *bench) logged() (list []Event) {
	b.t.Helper()
	for after := uint64(0); ; {
		page, next, err := Read(context.Background(), b.engine, after, 1000, time.Now())
		if err != nil {
			b.t.Fatal(err)
		}
		if len(page) == 0 {
			return list
		}
		list, after = append(list, page...), next
	}
}

// TestOnlineBeforeSession: of two sessions that connect at the same time, the second may be
// recorded before the first has entered the inbox. The user is online first all the same.
func TestOnlineBeforeSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.config.Grace = time.Hour
		r := New(b.config)
		inbox := names.Inbox("42")
		r.Connected(Session{User: "42", Device: "second"})
		r.Counted(inbox, 0, 1)
		r.Connected(Session{User: "42", Device: "first"})
		r.Start()
		defer r.Close(context.Background())
		synctest.Wait()
		var got []string
		for _, e := range b.logged() {
			got = append(got, fmt.Sprint(e.Type, " ", e.Data.Device))
		}
		if !slices.Equal(got, []string{"user.online ", "session.connected second", "session.connected first"}) {
			t.Errorf("%q", got)
		}
	})
}

// TestOverload: while nothing can be written, a limited number of events waits. The others
// are counted, logged and a gap, which is where they are missing; and who is online is
// right again afterwards.
func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var text bytes.Buffer
		log := &countingLog{Log: b.config.Log}
		b.config.Log, b.config.Logger, b.config.Grace = log, slog.New(slog.NewTextHandler(&text, nil)), time.Second
		r := New(b.config)
		r.Start()
		defer r.Close(context.Background())
		stays, err := b.feeds.Subscribe(names.Inbox("stays")) // before, and its end is lost
		if err != nil {
			t.Fatal(err)
		}
		r.Counted(stays.Channel(), 0, 1)
		synctest.Wait()
		log.full.Store(true)
		const more = 1000
		for i := range maxQueued + more {
			r.Connected(Session{User: "stays", Device: fmt.Sprint(i)})
			if i%maxBatch == 0 {
				synctest.Wait()
			}
		}
		b.feeds.Release(stays)
		r.Counted(stays.Channel(), 1, 0)
		comes, err := b.feeds.Subscribe(names.Inbox("comes"))
		if err != nil {
			t.Fatal(err)
		}
		defer b.feeds.Release(comes)
		r.Counted(comes.Channel(), 0, 1)
		synctest.Wait()
		log.full.Store(false)
		time.Sleep(time.Minute)
		synctest.Wait()
		list := b.logged()
		const lost = more + 2
		if written, n := r.Stats(); n != lost || written != uint64(len(list)) {
			t.Errorf("%d written, %d lost, %d in the log", written, n, len(list))
		}
		want := []string{"user.online stays", fmt.Sprint("session.connected stays ", maxQueued-1), fmt.Sprint("gap ", lost), "user.online comes", "user.offline stays"}
		var got []string
		for _, e := range list {
			switch {
			case e.Type == Gap:
				got = append(got, fmt.Sprint("gap ", e.Data.Count))
			case e.Type != SessionConnected:
				got = append(got, fmt.Sprint(e.Type, " ", e.User))
			case e.Data.Device == fmt.Sprint(maxQueued-1):
				got = append(got, fmt.Sprint(e.Type, " ", e.User, " ", e.Data.Device))
			}
		}
		if len(list) != maxQueued+4 || !slices.Equal(got, want) {
			t.Errorf("%d events: %q", len(list), got)
		}
		if strings.Count(text.String(), "more happened than could be written") != 1 {
			t.Error(text.String())
		}
		q := &r.queue
		if kept := max(cap(q.mu.items), cap(q.taken.items)); kept > keptQueue || q.mu.pending != 0 {
			t.Errorf("the queue keeps memory for %d items, and %d are pending", kept, q.mu.pending)
		}
	})
}
