package hooks

import (
	"sync"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/redact"
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

	URL       string        // only the scheme and the host; the rest may be secret
	Failures  int           // in a row
	Latency   time.Duration // of recent requests
	LastError string        // "": there was none
	LastFail  time.Time     // when LastError happened
}

// Stats returns the counters of the hooks that have a URL.
func (h *Hooks) Stats() []Stats {
	var all []Stats
	for _, k := range h.all() {
		s := Stats{
			Hook: k.kind, URL: redact.URL(k.url), Requests: k.results.All(), Seconds: wirepost.Histogram(k.seconds.Snapshot()),
			InFlight: int(k.inFlight.Load()),
		}
		s.BreakerOpen, s.Failures, s.Opened = k.breaker.state()
		s.Latency, s.LastError, s.LastFail = k.recent.state()
		all = append(all, s)
	}
	return all
}

// recent is what is known of a hook's latest requests.
type recent struct {
	mu       sync.Mutex
	latency  time.Duration
	failure  string
	failedAt time.Time
}

// took records how long a request took. Each counts an eighth of those before it.
func (r *recent) took(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.latency == 0 {
		r.latency = d
	}
	r.latency += (d - r.latency) / 8
}

func (r *recent) failed(at time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failure, r.failedAt = err.Error(), at
}

func (r *recent) state() (latency time.Duration, failure string, failedAt time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latency, r.failure, r.failedAt
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
