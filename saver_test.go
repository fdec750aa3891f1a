package wirepost_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
)

// syncs is an engine that records when saved changes are synced.
type syncs struct {
	engine.Engine
	mu      sync.Mutex
	pending bool        // saved changes are not on disk
	at      []time.Time // of the syncs
}

func (e *syncs) Save(ctx context.Context, updates []engine.Update, sync bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending = !sync; sync {
		e.at = append(e.at, time.Now())
	}
	return e.Engine.Save(ctx, updates, sync)
}

func (e *syncs) look() (pending bool, syncs int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pending, len(e.at)
}

// TestAcknowledgementsAreOnDiskSoon: an idle server syncs the acknowledgements of
// clients, without a push that would sync them as well, and only once.
func TestAcknowledgementsAreOnDiskSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &syncs{Engine: memory.New(memory.Options{})}
		n := newPipeNode(t, func(o *wirepost.Options) { o.Engine = store; o.Heartbeat = 24 * time.Hour })
		c, _ := n.dialV1("42")
		time.Sleep(2 * time.Second)
		if pending, _ := store.look(); pending {
			t.Error("the new device is not on disk")
		}
		p := n.json("user:42", `1`)
		c.message(`1`)
		_, before := store.look()
		c.send(`{"type":"ack","channel":"user:42","seq":%d}`, p.Seq)
		time.Sleep(2 * time.Second)
		if pending, after := store.look(); pending || after != before+1 {
			t.Errorf("pending is %v after %d syncs", pending, after-before)
		}
		time.Sleep(time.Hour)
		if _, after := store.look(); after != before+1 {
			t.Errorf("%d syncs with nothing to do", after-before-1)
		}
	})
}

// failing is an engine that fails to save a number of times.
type failing struct {
	engine.Engine
	times atomic.Int32
}

func (e *failing) Save(ctx context.Context, updates []engine.Update, sync bool) error {
	if e.times.Add(-1) >= 0 {
		return errors.New("not now")
	}
	return e.Engine.Save(ctx, updates, sync)
}

// TestStartIsStoredByTheNext: a second connection of a new device stores the start that
// the first one could not store: no client gets messages before.
func TestStartIsStoredByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Engine: memory.New(memory.Options{})}
		store.times.Store(1)
		n := newPipeNode(t, func(o *wirepost.Options) { o.Engine = store })
		n.dialV1("42")
		if u, err := store.Load(context.Background(), "42"); err != nil || len(u.Devices) != 0 {
			t.Fatalf("after the first: %+v, %v", u, err)
		}
		n.dialV1("42")
		u, err := store.Load(context.Background(), "42")
		if err != nil || len(u.Devices) != 1 || len(u.Devices[0].Cursors) != 2 || len(u.Marks) != 1 {
			t.Errorf("after the second: %+v, %v; want the device with two cursors, and the mark of all", u, err)
		}
	})
}

// TestSavingIsRetriedQuietly: an engine that saves nothing for a while is logged once, and
// once more when it does again.
func TestSavingIsRetriedQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failing{Engine: memory.New(memory.Options{})}
		var log lockedBuffer
		n := newPipeNode(t, func(o *wirepost.Options) {
			o.Engine, o.Logger = store, slog.New(slog.NewTextHandler(&log, nil))
		})
		c, _ := n.dialV1("42")
		p := n.json("user:42", `1`)
		c.message(`1`)
		time.Sleep(2 * time.Second)
		store.times.Store(30)
		c.send(`{"type":"ack","channel":"user:42","seq":%d}`, p.Seq)
		time.Sleep(time.Minute)
		if n := strings.Count(log.String(), "cursors cannot be saved"); n != 1 {
			t.Errorf("the failure was logged %d times:\n%s", n, log.String())
		}
		if n := strings.Count(log.String(), "cursors are saved again"); n != 1 {
			t.Errorf("the end was logged %d times:\n%s", n, log.String())
		}
	})
}

// slowSaves is an engine that takes a while to save.
type slowSaves struct {
	engine.Engine
	takes time.Duration
	saves atomic.Int32
}

func (e *slowSaves) Save(ctx context.Context, updates []engine.Update, sync bool) error {
	if len(updates) > 0 {
		e.saves.Add(1)
		time.Sleep(e.takes)
	}
	return e.Engine.Save(ctx, updates, sync)
}

// TestSavesAsOftenAsTheStoreCan: acknowledgements are saved ten times a second, and less
// often if that takes long, but still more than once in the second after which they must be.
func TestSavesAsOftenAsTheStoreCan(t *testing.T) {
	for _, test := range []struct {
		takes       time.Duration
		least, most int32
	}{{time.Millisecond, 30, 45}, {30 * time.Millisecond, 8, 14}} {
		synctest.Test(t, func(t *testing.T) {
			store := &slowSaves{Engine: memory.New(memory.Options{}), takes: test.takes}
			n := newPipeNode(t, func(o *wirepost.Options) { o.Engine = store; o.Heartbeat = 24 * time.Hour })
			c, _ := n.dialV1("42")
			time.Sleep(2 * time.Second)
			before := store.saves.Load()
			for range 200 {
				p := n.json("user:42", `1`)
				c.message(`1`)
				c.send(`{"type":"ack","channel":"user:42","seq":%d}`, p.Seq)
				time.Sleep(20 * time.Millisecond)
			}
			if saves := store.saves.Load() - before; saves < test.least || saves > test.most {
				t.Errorf("a save takes %s: %d in 4 s", test.takes, saves)
			}
		})
	}
}
