package webpush

import (
	"sync"
	"time"
)

// hosts are the push services that did not respond lately: none is asked again at once, so that
// one that is down, or is meant to hold requests up, does not delay the others.
type hosts struct {
	mu     sync.Mutex
	silent map[string]silence
}

type silence struct {
	until    time.Time
	failures int
}

const (
	firstPause = time.Second
	maxPause   = time.Minute
	// maxSilent bounds the memory, because anybody can subscribe with any host.
	maxSilent = 1000
)

// pause returns for how long a host is not asked; 0: it is.
func (h *hosts) pause(host string, now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.silent[host]; ok && s.until.After(now) {
		return s.until.Sub(now)
	}
	return 0
}

// failed notes that a host did not respond, and returns when to try again.
func (h *hosts) failed(host string, now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.silent == nil || len(h.silent) >= maxSilent {
		h.silent = map[string]silence{}
	}
	s := h.silent[host]
	if !s.until.After(now) { // requests that were made at the same time count once
		s.failures = min(s.failures+1, 10)
		s.until = now.Add(min(firstPause<<(s.failures-1), maxPause))
		h.silent[host] = s
	}
	return max(s.until.Sub(now), firstPause)
}

func (h *hosts) responded(host string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.silent, host)
}
