package committer

import (
	"slices"

	"github.com/wirepost/wirepost/engine"
)

// WatchLocked adds a watcher of a channel. The mutex of the cache is held.
func (k *Committer) WatchLocked(channel string, w engine.Watcher) {
	k.watchers[channel] = together(k.watchers[channel], w)
}

// Unwatch removes a watcher, which is not called any more when it returns.
func (k *Committer) Unwatch(channel string, w engine.Watcher) {
	if !k.forgetWatcher(channel, w) {
		return
	}
	// A commit that read the watchers before may still be calling them.
	k.notifying.Lock()
	defer k.notifying.Unlock()
}

func (k *Committer) forgetWatcher(channel string, w engine.Watcher) bool {
	k.Cache.Lock()
	defer k.Cache.Unlock()
	all := k.watchers[channel]
	if all == w {
		delete(k.watchers, channel)
		return true
	}
	several, _ := all.(*group)
	if several == nil || !slices.Contains(several.members, w) {
		return false
	}
	rest := slices.DeleteFunc(slices.Clone(several.members), func(m engine.Watcher) bool { return m == w })
	if len(rest) == 1 {
		k.watchers[channel] = rest[0]
	} else {
		k.watchers[channel] = &group{rest}
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
