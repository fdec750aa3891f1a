package pebble

import (
	"context"

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
	e.cache.Lock()
	defer e.cache.Unlock()
	e.committer.WatchLocked(channel, w)
	head := s.V.Head.Seq
	if head == 0 {
		e.cache.Channels.DropLocked(s) // never written to: nothing worth keeping
	} else {
		e.cache.Channels.UnpinLocked(s)
	}
	return head, nil
}

// Unwatch implements engine.Log.
func (e *Engine) Unwatch(channel string, w engine.Watcher) { e.committer.Unwatch(channel, w) }
