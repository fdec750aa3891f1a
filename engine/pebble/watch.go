package pebble

import (
	"context"
	"slices"

	"github.com/wirepost/wirepost/engine"
)

// Watch implements engine.Log. There may be a watcher for every connected user, so it only
// costs a map entry: the channel's state does not stay in memory for it.
func (e *Engine) Watch(ctx context.Context, channel string, w engine.Watcher) (uint64, error) {
	if err := e.enter(ctx); err != nil {
		return 0, err
	}
	defer e.leave()
	s, err := e.pinChannel(ctx, channel)
	if err != nil {
		return 0, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.watchers[channel] = together(e.mu.watchers[channel], w)
	head := s.v.head.Seq
	if head == 0 {
		e.mu.channels.dropLocked(s) // never written to: nothing worth keeping
	} else {
		e.mu.channels.unpinLocked(s)
	}
	return head, nil
}

// Unwatch implements engine.Log.
func (e *Engine) Unwatch(channel string, w engine.Watcher) {
	if !e.forgetWatcher(channel, w) {
		return
	}
	// A commit that read the watchers before may still be calling them.
	e.notifying.Lock()
	defer e.notifying.Unlock()
}

func (e *Engine) forgetWatcher(channel string, w engine.Watcher) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := e.mu.watchers[channel]
	if all == w {
		delete(e.mu.watchers, channel)
		return true
	}
	several, _ := all.(*group)
	if several == nil || !slices.Contains(several.members, w) {
		return false
	}
	rest := slices.DeleteFunc(slices.Clone(several.members), func(m engine.Watcher) bool { return m == w })
	if len(rest) == 1 {
		e.mu.watchers[channel] = rest[0]
	} else {
		e.mu.watchers[channel] = &group{rest}
	}
	return true
}

// group is several watchers of one channel. It is never changed, because a commit may be
// calling it.
type group struct{ members []engine.Watcher }

// together returns w and the earlier watchers, if any, as one.
func together(before, w engine.Watcher) engine.Watcher {
	switch b := before.(type) {
	case nil:
		return w
	case *group:
		return &group{append(slices.Clone(b.members), w)}
	}
	return &group{[]engine.Watcher{before, w}}
}

// Appended implements engine.Watcher.
func (g *group) Appended(records []*engine.Record) {
	for _, w := range g.members {
		w.Appended(records)
	}
}
