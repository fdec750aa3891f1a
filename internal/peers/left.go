package peers

import (
	"slices"
	"sync"
	"time"
)

// left knows where connections have ended lately: for leftFor at least, and not much longer.
type left struct {
	mu          sync.Mutex
	began       time.Time // of now
	now, before map[string][]*node
}

func (l *left) add(channel string, n *node, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turnLocked(at)
	if l.now == nil {
		l.now = map[string][]*node{}
	}
	l.now[channel] = append(l.now[channel], n)
}

// of lists the nodes where connections in a channel have ended.
func (l *left) of(channel string, at time.Time) []*node {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turnLocked(at)
	return slices.Concat(l.now[channel], l.before[channel])
}

// turnLocked forgets what is old.
func (l *left) turnLocked(at time.Time) {
	switch age := at.Sub(l.began); {
	case age >= 2*leftFor:
		l.now, l.before, l.began = nil, nil, at
	case age >= leftFor:
		l.now, l.before, l.began = nil, l.now, at
	}
}
