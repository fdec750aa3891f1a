package memory

import (
	"context"
	"slices"

	"github.com/wirepost/wirepost/engine"
)

// Watch implements engine.Log.
func (e *Engine) Watch(ctx context.Context, channel string, w engine.Watcher) (uint64, error) {
	_, err := e.enter(ctx)
	defer e.mu.Unlock()
	if err != nil {
		return 0, err
	}
	l := e.logLocked(channel)
	l.watchers = append(slices.Clip(l.watchers), w)
	return l.head, nil
}

// Unwatch implements engine.Log.
func (e *Engine) Unwatch(channel string, w engine.Watcher) {
	e.forgetWatcher(channel, w)

	// An append that copied the watchers before may still be calling them.
	e.order.Lock()
	defer e.order.Unlock()
}

func (e *Engine) forgetWatcher(channel string, w engine.Watcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.mu.logs[channel]
	if l == nil {
		return
	}
	if i := slices.Index(l.watchers, w); i >= 0 {
		l.watchers = slices.Concat(l.watchers[:i], l.watchers[i+1:])
	}
	if l.head == l.begin && len(l.watchers) == 0 {
		delete(e.mu.logs, channel) // never written to
	}
}
