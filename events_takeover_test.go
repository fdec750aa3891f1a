package wirepost_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost"
)

// deliveries records what OnEvent is called with, on each node of a cluster.
type deliveries struct {
	mu    sync.Mutex
	nodes int
	slow  [3]time.Duration // how long OnEvent takes on a node
	all   []wirepost.Event
	by    []int // the node of each one
}

// option sets OnEvent of the next node.
func (d *deliveries) option(o *wirepost.Options) {
	node := d.nodes
	d.nodes++
	o.OnEvent = func(ctx context.Context, e wirepost.Event) error {
		d.mu.Lock()
		slow := d.slow[node]
		d.mu.Unlock()
		if err := takeTime(ctx, slow); err != nil {
			return err
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.all, d.by = append(d.all, e), append(d.by, node)
		return nil
	}
}

// takeTime waits for a while, or until ctx is done. It makes no timer that is due at once:
// two goroutines of a bubble that receive from those crash the race detector of Go 1.26.
func takeTime(ctx context.Context, while time.Duration) error {
	if while == 0 {
		return ctx.Err()
	}
	select {
	case <-time.After(while):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *deliveries) setSlow(node int, slow time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slow[node] = slow
}

// check checks that all events of the log were delivered, and each for the first time in
// order, and returns the number of repeats and of deliveries by each node.
func (d *deliveries) check(t *testing.T, log []wirepost.Event) (repeats int, by [3]int) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	next := 0
	for i, e := range d.all {
		by[d.by[i]]++
		switch {
		case next > 0 && e.Seq <= log[next-1].Seq:
			repeats++
		case next < len(log) && e.Seq == log[next].Seq && e.ID == log[next].ID:
			next++
		default:
			t.Fatalf("%d follows %d of %d events: %s", e.Seq, next, len(log), brief(e))
		}
	}
	if next != len(log) {
		t.Errorf("%d events of %d were delivered", next, len(log))
	}
	return repeats, by
}

// visits connects and disconnects users for a while, five a second.
func (ns *nodes) visits(from, seconds int, on ...int) {
	for i := range 5 * seconds {
		ns.all[on[i%len(on)]].dial(fmt.Sprint("u", from+i)).leave()
		time.Sleep(time.Second / 5)
	}
}

// deliverer is the node that delivers events, and where it is in the log. If several think
// so, it is the one that is furthest.
func (ns *nodes) deliverer() (node int, seq uint64) {
	node = -1
	for i, n := range ns.all {
		for _, r := range n.EventStats(context.Background(), false).Readers {
			if r.Active && (node < 0 || r.Seq > seq) {
				node, seq = i, r.Seq
			}
		}
	}
	return node, seq
}

// wholeLog lists all events.
func (n *node) wholeLog() (all []wirepost.Event) {
	for after := uint64(0); ; after = all[len(all)-1].Seq {
		list := n.logged(after)
		if len(list) == 0 {
			return all
		}
		all = append(all, list...)
	}
}

// storedCursor is the cursor of OnEvent that a node knows to be stored.
func (n *node) storedCursor() (seq uint64) {
	n.t.Helper()
	stored, err := n.engine.Load(context.Background(), "$ readers")
	if err != nil {
		n.t.Fatal(err)
	}
	for _, d := range stored.Devices {
		for _, c := range d.Cursors {
			seq = max(seq, c.Seq)
		}
	}
	return seq
}

// TestTakeover: when the node that delivers events is cut off, another one continues where
// the stored cursor is. No event is missing, at most one batch comes twice, and what the
// first node still thinks when it is back moves no cursor back.
func TestTakeover(t *testing.T) {
	d := &deliveries{}
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		time.Sleep(10 * time.Second)
		first, _ := ns.deliverer()
		if first < 0 {
			t.Fatal("no node delivers")
		}
		second, third := (first+1)%3, (first+2)%3
		ns.visits(0, 5, first, second, third)
		d.setSlow(first, 100*time.Millisecond) // it has a batch in hand when it is cut off
		ns.visits(100, 5, first, second, third)
		ns.bus[first].down.Store(true)
		ns.way[first].Cut(true, true)
		before := ns.all[second].storedCursor()
		for i := range 10 {
			ns.visits(200+10*i, 2, second, third)
			seq := ns.all[second].storedCursor()
			if seq < before {
				t.Errorf("the cursor moved back from %d to %d", before, seq)
			}
			before = seq
		}
		ns.bus[first].down.Store(false)
		ns.way[first].Cut(false, false)
		time.Sleep(10 * time.Second) // until it accepts clients again
		for i := range 10 {
			ns.visits(300+10*i, 2, first, second, third)
			seq := ns.all[first].storedCursor()
			if seq < before {
				t.Errorf("the cursor moved back from %d to %d", before, seq)
			}
			before = max(before, seq)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		repeats, by := d.check(t, ns.all[second].wholeLog())
		if by[first] == 0 || by[second]+by[third] == 0 {
			t.Errorf("delivered by %v", by)
		}
		if repeats > 100 {
			t.Errorf("%d events were repeated", repeats)
		}
	}, d.option, func(o *wirepost.Options) { o.Heartbeat, o.Events.Grace = 24*time.Hour, time.Second })
}

// TestTwoDeliverers: while two nodes think that they deliver, because they do not hear each
// other, the slower one does not repeat what the other has delivered, but for a batch.
func TestTwoDeliverers(t *testing.T) {
	d := &deliveries{}
	inCluster(t, 3, func(t *testing.T, ns *nodes) {
		time.Sleep(10 * time.Second)
		first, _ := ns.deliverer()
		others := []int{(first + 1) % 3, (first + 2) % 3}
		d.setSlow(first, time.Second)
		ns.bus[first].down.Store(true) // but it reaches the log
		ns.visits(0, 60, others...)
		ns.bus[first].down.Store(false)
		d.setSlow(first, 0)
		ns.visits(1000, 20, others...)
		time.Sleep(time.Minute)
		synctest.Wait()
		log := ns.all[others[0]].wholeLog()
		repeats, by := d.check(t, log)
		if by[others[0]]+by[others[1]] == 0 || by[first] == 0 {
			t.Errorf("delivered by %v", by)
		}
		// The slow one delivers an event a second: those that it has in hand are repeats.
		if repeats > 100 {
			t.Errorf("%d events of %d were repeated, %v", repeats, len(log), by)
		}
	}, d.option, func(o *wirepost.Options) { o.Heartbeat, o.Events.Grace = 24*time.Hour, time.Second })
}
