// Package presence knows which users are present in the channels whose policy says so, and
// notifies watchers of changes. A user is present while a connection of theirs is
// subscribed, on any node. It does not know sessions: a watcher is something on a loop that
// can be sent frames of wirepost.v1.
//
// Start with Join and Leave (room.go); change.go collects the changes of a room, which
// frame.go encodes once for all its watchers.
package presence

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/wirepost/wirepost/internal/registry"
)

const (
	// Grace is how long a user is still present after a connection was lost.
	Grace = 5 * time.Second
	// Delay is how long a change waits so that watchers are notified of several at once.
	Delay = 250 * time.Millisecond
	// MaxListed is the most users of a channel that are listed. More are only counted.
	MaxListed = 1000
)

// How says how a connection left a channel.
type How uint8

const (
	// Left: the client unsubscribed, or may no longer be subscribed.
	Left How = iota
	// Lost: the connection was lost, and may come back.
	Lost
	// Ended: the server closed the connection for good.
	Ended
)

// Config is the configuration of a Presence.
type Config struct {
	// Enabled reports whether a channel has presence.
	Enabled func(channel string) bool
	// Now is the time in ms since 1970.
	Now func() int64
	// Changed is called when Here(key) has changed, for the other nodes. May be nil.
	Changed func(key string)
}

// Presence knows the users that are present in channels. It is safe for concurrent use.
type Presence struct {
	config  Config
	rooms   *registry.Sharded[*room]
	start   time.Time // the base of times in queues and members
	lingers queue[lingering]
	flushes queue[*room]

	wake    chan struct{} // cap 1: a queue is not empty any more
	done    chan struct{}
	running sync.WaitGroup
}

// lingering is a user whose connection was lost.
type lingering struct{ channel, user string }

// New returns a Presence without users. Call Close to stop it.
func New(c Config) *Presence {
	p := &Presence{
		config: c, rooms: registry.NewSharded[*room](), start: time.Now(),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	p.running.Go(p.run)
	return p
}

// Close stops the goroutine: nobody is notified any more.
func (p *Presence) Close() {
	close(p.done)
	p.running.Wait()
}

// User is a user who is present in a channel.
type User struct {
	User  string
	Info  json.RawMessage // nil if the user has none
	Since int64           // in ms since 1970
}

// In returns the number of users who are present in a channel, and the first MaxListed.
func (p *Presence) In(channel string) (count int, list []User) {
	r := p.find(channel)
	if r == nil {
		return 0, nil
	}
	defer r.mu.Unlock()
	for m := r.mu.first; m != nil && m.listed; m = m.next {
		list = append(list, m.describe())
	}
	return r.mu.members.Len(), list
}

// Join counts one more connection of a user in a channel. The info of the newest connection
// that has some is shown.
func (p *Presence) Join(channel, user string, info json.RawMessage) {
	now := p.config.Now()
	r := p.lock(channel)
	defer r.mu.Unlock()
	m := r.mu.members.Get(user)
	if m == nil {
		m = r.addLocked(user, profile{}.with(string(info), now), now)
	}
	here := m.here()
	m.sessions++
	m.until, m.lost = 0, false // the connection is back
	if len(info) > 0 {
		r.describeLocked(m, m.with(string(info), now), m.since)
	}
	if !here {
		r.announce(m)
	}
}

// Update changes the info of a user who has a connection in a channel.
func (p *Presence) Update(channel, user string, info json.RawMessage) {
	r := p.find(channel)
	if r == nil {
		return
	}
	defer r.mu.Unlock()
	if m := r.mu.members.Get(user); m != nil && m.sessions > 0 {
		r.describeLocked(m, m.with(string(info), p.config.Now()), m.since)
	}
}

// Dismiss ends the grace of a user's lost connections to this node, and to nodes that have
// left: the backend has disconnected the user.
func (p *Presence) Dismiss(user string) {
	for _, l := range p.lingers.all(func(l lingering) bool { return l.user == user }) {
		p.expire(l.x, l.at)
	}
}

// Leave undoes one Join.
func (p *Presence) Leave(channel, user string, how How) {
	r := p.find(channel)
	if r == nil {
		return
	}
	defer p.removeEmpty(r)
	defer r.mu.Unlock()
	m := r.mu.members.Get(user)
	if m == nil || m.sessions == 0 {
		return
	}
	m.sessions--
	switch {
	case how == Lost:
		r.lingerLocked(m, true)
	case how == Ended && m.sessions == 0:
		m.until, m.lost = 0, false
	}
	r.settleLocked(m, true)
}

// lock returns the room of a channel, with its mutex held.
func (p *Presence) lock(channel string) *room {
	sh := p.rooms.Of(channel)
	sh.Lock()
	defer sh.Unlock()
	r := sh.Get(channel)
	if r == nil {
		r = &room{presence: p, channel: channel}
		sh.Add(r)
	}
	r.mu.Lock()
	return r
}

// find is lock, or nil if nobody is present.
func (p *Presence) find(channel string) *room {
	sh := p.rooms.Of(channel)
	sh.Lock()
	defer sh.Unlock()
	r := sh.Get(channel)
	if r != nil {
		r.mu.Lock()
	}
	return r
}

// removeEmpty removes a room in which nobody is present.
func (p *Presence) removeEmpty(r *room) {
	sh := p.rooms.Of(r.channel)
	sh.Lock()
	defer sh.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.members.Len() == 0 && r.mu.watched == 0 {
		sh.Remove(r)
	}
}

// run flushes rooms, and removes users whose connection did not come back, until Close.
func (p *Presence) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next := min(p.flushes.next(), p.lingers.next())
		if next == never {
			timer.Stop()
		} else {
			timer.Reset(next - p.now())
		}
		select {
		case <-p.wake:
		case <-timer.C:
		case <-p.done:
			return
		}
		now := p.now()
		for r, _, ok := p.flushes.due(now); ok; r, _, ok = p.flushes.due(now) {
			r.flush()
		}
		for l, at, ok := p.lingers.due(now); ok; l, at, ok = p.lingers.due(now) {
			p.expire(l, at)
		}
	}
}

// expire removes a user whose connection did not come back.
func (p *Presence) expire(l lingering, until time.Duration) {
	r := p.find(l.channel)
	if r == nil {
		return
	}
	defer p.removeEmpty(r)
	defer r.mu.Unlock()
	if m := r.mu.members.Get(l.user); m != nil && m.until == until {
		here := m.here()
		m.until, m.lost = 0, false
		r.settleLocked(m, here)
	}
}

// now is the time since start, which is never 0.
func (p *Presence) now() time.Duration { return time.Since(p.start) + 1 }

// at queues what is due after a while.
func at[T any](p *Presence, q *queue[T], after time.Duration, x T) time.Duration {
	due := p.now() + after
	if q.add(due, x) {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	return due
}
