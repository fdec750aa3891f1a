package pebble

import (
	"slices"

	"github.com/wirepost/wirepost/engine"
)

// Watch implements engine.Log. A watched channel stays pinned.
func (e *Engine) Watch(channel string, w engine.Watcher) (uint64, error) {
	if err := e.enter(); err != nil {
		return 0, err
	}
	defer e.leave()
	s, err := e.pinChannel(channel)
	if err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.watchers[s] = append(slices.Clip(e.mu.watchers[s]), w)
	return s.v.head.seq, nil
}

// Unwatch implements engine.Log.
func (e *Engine) Unwatch(channel string, w engine.Watcher) {
	if !e.forgetWatcher(channel, w) {
		return
	}
	// A commit that took the watchers before may still be telling them.
	e.telling.Lock()
	defer e.telling.Unlock()
}

func (e *Engine) forgetWatcher(channel string, w engine.Watcher) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.mu.channels.slots[channel]
	if s == nil {
		return false
	}
	watchers := e.mu.watchers[s]
	i := slices.Index(watchers, w)
	if i < 0 {
		return false
	}
	if e.mu.watchers[s] = slices.Concat(watchers[:i], watchers[i+1:]); len(watchers) == 1 {
		delete(e.mu.watchers, s)
	}
	e.mu.channels.unpinLocked(s)
	return true
}
