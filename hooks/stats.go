package hooks

import (
	"sync"
	"time"

	"github.com/wirepost/wirepost"
)

// The results of requests, as labels of a counter.
const (
	resultOK       = "ok"       // answered
	resultRefused  = "refused"  // the backend said no, or answered a call with an error
	resultFailed   = "failed"   // no connection, or a response that is of no use
	resultTimeout  = "timeout"  // no complete response in time
	resultCanceled = "canceled" // the client left
	resultBusy     = "busy"     // not sent: too many were under way
	resultOpen     = "open"     // not sent: the breaker is open
)

// Stats are the counters of one hook since the start.
type Stats struct {
	Hook        string            // its kind
	Requests    map[string]uint64 // by result: ok, refused, failed, timeout, canceled, busy, open
	Seconds     wirepost.Histogram
	InFlight    int
	BreakerOpen bool
	Opened      uint64 // how often the breaker was opened
}

// Stats returns the counters of the hooks that have a URL.
func (h *Hooks) Stats() []Stats {
	var all []Stats
	for _, k := range h.all() {
		open, opened := k.breaker.state()
		all = append(all, Stats{
			Hook: k.kind, Requests: k.results.All(), Seconds: wirepost.Histogram(k.seconds.Snapshot()),
			InFlight: int(k.inFlight.Load()), BreakerOpen: open, Opened: opened,
		})
	}
	return all
}

// warnings limits the failures that are logged as warnings: a backend that is down for an
// hour fails often.
type warnings struct {
	mu   sync.Mutex
	last time.Time
}

const warnEvery = 10 * time.Second

func (w *warnings) next(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.last.IsZero() && now.Sub(w.last) < warnEvery {
		return false
	}
	w.last = now
	return true
}
