package cache

import "sync"

// Timers knows a time before which no timer is due. So asking again and again costs
// nothing, and a scan of the index does not begin with all the timers that were removed.
type Timers struct {
	mu      sync.Mutex
	none    int64 // nothing is due before it
	changed int   // number of calls of Set
}

// Set is called after a timer that is due at a time has become visible.
func (t *Timers) Set(due int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.none = min(t.none, due)
	t.changed++
}

// Begin begins a scan of the index. It starts at the time from.
func (t *Timers) Begin() (from int64, changed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.none, t.changed
}

// End says that a scan found no timer that is due before a time. Changed is that of Begin:
// a timer that was set since then may not have been seen.
func (t *Timers) End(none int64, changed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if changed == t.changed {
		t.none = max(t.none, none)
	}
}
