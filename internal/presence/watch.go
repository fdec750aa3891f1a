package presence

import (
	"slices"

	"github.com/wirepost/wirepost/internal/conn"
)

// Watcher is notified of who is present. Its methods are called on its loop.
type Watcher interface {
	// WritePresence writes one frame, in parts. False means that the client does not read
	// fast enough: the frame was not written, and Watch.Renew is to be called when it has
	// caught up.
	WritePresence(parts ...[]byte) bool
}

// Loop runs tasks on the event loop of watchers. It is a pointer.
type Loop interface{ Post(conn.Task) bool }

// Watch is a watcher's link to a channel. Its methods are called on the watcher's loop, and
// its fields belong to that.
type Watch struct {
	room  *room
	owner Watcher
	seen  uint64 // the number of changes that the client knows
	count int    // as the client knows it
	stale bool   // frames were left out
	index int    // in the watches of its follower
}

// follower has the watches of one loop.
type follower struct {
	loop    Loop
	watches []*Watch // owned by the loop
}

// Watch notifies a watcher of what changes in a channel after the snapshot. It is called on
// the watcher's loop.
func (p *Presence) Watch(channel string, owner Watcher, l Loop) (*Watch, Snapshot) {
	r := p.lock(channel)
	defer r.mu.Unlock()
	r.mu.watched++
	fo := r.followerLocked(l)
	if fo == nil {
		fo = &follower{loop: l}
		r.mu.followers = append(r.mu.followers, fo)
	}
	w := &Watch{room: r, owner: owner, index: len(fo.watches)}
	fo.watches = append(fo.watches, w)
	return w, w.snapshotLocked()
}

func (r *room) followerLocked(l Loop) *follower {
	for _, fo := range r.mu.followers {
		if fo.loop == l {
			return fo
		}
	}
	return nil
}

// Channel is the channel that is watched.
func (w *Watch) Channel() string { return w.room.channel }

// Snapshot returns who is present now. The client is notified of what changes after it.
func (w *Watch) Snapshot() Snapshot {
	w.room.mu.Lock()
	defer w.room.mu.Unlock()
	return w.snapshotLocked()
}

func (w *Watch) snapshotLocked() Snapshot {
	s := w.room.snapshotLocked()
	w.seen, w.count, w.stale = w.room.mu.changes.seen(), s.count, false
	return s
}

// Stop ends the watch.
func (w *Watch) Stop(l Loop) {
	r := w.room
	defer r.presence.removeEmpty(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	fo := r.followerLocked(l)
	last := len(fo.watches) - 1
	fo.watches[w.index] = fo.watches[last]
	fo.watches[w.index].index = w.index
	fo.watches[last] = nil
	fo.watches = fo.watches[:last]
	if last == 0 {
		r.mu.followers = slices.DeleteFunc(r.mu.followers, func(other *follower) bool { return other == fo })
	}
	if r.mu.watched--; r.mu.watched == 0 {
		r.mu.changes.reset()
		r.mu.list = nil
	}
}

// delivery is a frame on its way to the watches of a loop.
type delivery struct {
	*follower
	frame *frame
}

// Run implements conn.Task.
func (d delivery) Run() {
	for _, w := range d.watches {
		w.deliver(d.frame)
	}
}

// deliver writes what the client does not know yet.
func (w *Watch) deliver(f *frame) {
	if w.stale {
		return
	}
	parts := w.parts(f)
	if parts == nil {
		return
	}
	w.seen, w.count = f.upTo, f.count
	w.stale = !w.owner.WritePresence(parts...)
}

// parts returns the frame for this watch, or nil if its client knows everything.
func (w *Watch) parts(f *frame) [][]byte {
	known := int(w.seen - f.base)
	switch {
	case w.seen > f.upTo:
		return nil // from after this flush
	case w.seen <= f.base && f.nothing && w.count == f.count:
		return nil
	case w.seen <= f.base:
		return [][]byte{f.whole}
	case known == len(f.from):
		if w.count == f.count {
			return nil
		}
		return f.parts(nil, nil)
	}
	from := f.from[known]
	joined, left := f.joined[from.joined:], f.left[from.left:]
	if len(joined)+len(left) == 0 && w.count == f.count {
		return nil
	}
	return f.parts(joined, left)
}

// Renew writes the whole list if frames were left out.
func (w *Watch) Renew() {
	if w.stale {
		w.stale = !w.owner.WritePresence(w.Snapshot().whole(w.room.channel)...)
	}
}
