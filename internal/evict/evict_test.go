package evict

import (
	"testing"
	"testing/synctest"
	"time"
)

// thing is idle from a given time on.
type thing struct {
	idle  time.Time
	asked int
	set   *Set[*thing]
	more  *thing // added while its Evict is called
}

func (x *thing) Evict(now time.Time) bool {
	x.asked++
	if x.more != nil {
		x.set.Add(x.more)
		x.more = nil
	}
	return !now.Before(x.idle)
}

// Evict of each member is called until it returns true, also for a member added during
// a sweep; when the set is empty, no timer runs.
func TestSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		set := NewSet[*thing](time.Minute)
		now := time.Now()
		late := &thing{idle: now.Add(4 * time.Minute)}
		soon := &thing{idle: now, set: set, more: late}
		set.Add(soon)
		time.Sleep(time.Hour)
		synctest.Wait()
		if soon.asked != 1 || late.asked != 3 { // after two, three and four minutes
			t.Errorf("asked %d and %d times", soon.asked, late.asked)
		}
		again := &thing{idle: now}
		set.Add(again)
		time.Sleep(time.Minute)
		synctest.Wait()
		if again.asked != 1 {
			t.Errorf("after a pause: asked %d times", again.asked)
		}
		set.Add(&thing{})
		set.Close()
		closed := &thing{idle: now}
		set.Add(closed)
		time.Sleep(time.Hour)
		synctest.Wait()
		if closed.asked != 0 {
			t.Error("it sweeps after Close")
		}
	})
}
