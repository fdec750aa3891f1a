package wirepost_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
)

// syncs is an engine that notes when what was saved is on disk.
type syncs struct {
	engine.Engine
	mu      sync.Mutex
	pending bool        // something was saved and is not on disk
	at      []time.Time // of the syncs
}

func (e *syncs) Save(updates []engine.Update, sync bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pending = !sync; sync {
		e.at = append(e.at, time.Now())
	}
	return e.Engine.Save(updates, sync)
}

func (e *syncs) look() (pending bool, syncs int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pending, len(e.at)
}

// TestAcknowledgementsAreOnDiskSoon has a quiet server put what clients
// acknowledged on disk, without a push that would take it along, and only once.
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
