// Package feed holds the newest records of each channel that has subscribers, and wakes
// the subscribers when records are appended. It also reads older records, off the event
// loops. It does not know sessions: a subscriber is something that can be marked dirty.
package feed

import (
	"context"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/conn"
)

// Waker runs tasks on the event loop of subscribers. Each loop has one.
type Waker struct {
	post func(conn.Task) bool
}

// NewWaker makes a Waker. Post reports whether it accepts the task: false means that
// the loop is closed.
func NewWaker(post func(conn.Task) bool) *Waker { return &Waker{post: post} }

// Subscriber follows a feed, on one loop.
type Subscriber interface {
	// MarkDirty schedules the subscriber to look for new records at the end of the
	// loop's turn.
	MarkDirty()
	// User is the name of the subscribing user.
	User() string
}

// Subscription is a subscriber's link to a feed.
type Subscription struct {
	Feed  *Feed
	Owner Subscriber // nil when the subscription has ended

	index int32 // in the subs of its loop's follower; owned by the loop
}

// The limits of a tail, which holds the records for sessions that are nearly caught up.
// Sessions that lag further read pages from the engine.
const (
	tailItems = 512
	tailBytes = 1 << 20
	// tailAge is how long an idle feed keeps its tail.
	tailAge = 2 * time.Second
)

// Feed holds the newest records of one channel that has subscribers, and its followers.
// It exists while it has references (see Feeds).
//
// Sessions pull from it: it does not know their cursors.
type Feed struct {
	// Static.
	feeds      *Feeds
	channel    string
	memoryOnly bool
	presence   bool

	start atomic.Pointer[start] // nil once it has begun
	refs  int32                 // guarded by the feeds' shard
	// connections counts subscribed connections, including those in their handshake.
	connections atomic.Int32

	head atomic.Uint64 // the last sequence passed to Appended, or returned by watch

	mu struct {
		sync.Mutex
		tail      *tail                      // nil while the feed is idle
		from      uint64                     // the tail holds every record after it
		followers *follower                  // one for each loop that follows, linked
		listeners map[chan struct{}]struct{} // of subscribers inside the program

		// first is storage for the single session of most inboxes.
		first struct {
			follower follower
			subs     [1]*Subscription
		}
	}
}

// tail holds the newest records of a feed, oldest first.
type tail struct {
	items   []*Item
	bytes   int       // of data
	touched time.Time // of the last append
}

// Channel is the channel's name.
func (f *Feed) Channel() string { return f.channel }

// Key is the channel's name.
func (f *Feed) Key() string { return f.channel }

// Head is the last sequence that the feed has been notified of.
func (f *Feed) Head() uint64 { return f.head.Load() }

// MemoryOnly reports whether the channel's records are only in memory.
func (f *Feed) MemoryOnly() bool { return f.memoryOnly }

// HasPresence reports whether it is known which users are subscribed.
func (f *Feed) HasPresence() bool { return f.presence }

// Log returns the log that holds the channel's records.
func (f *Feed) Log() engine.Log { return f.feeds.log(f.memoryOnly) }

// Clamp returns seq, which comes from a client or the store, or the head if that is
// lower. A reader of the log may be ahead of the feed: a record can be read just before
// its watchers are notified, and a client may acknowledge it. Clamp may wait.
func (f *Feed) Clamp(ctx context.Context, seq uint64) (uint64, error) {
	head := f.head.Load()
	if seq <= head {
		return seq, nil
	}
	b, err := f.Log().Bounds(ctx, f.channel)
	return min(seq, max(head, b.Head)), err
}

// Await waits until the feed has advanced to seq. The error is that of ctx.
func (f *Feed) Await(ctx context.Context, seq uint64) error {
	advanced := make(chan struct{}, 1)
	f.Listen(advanced)
	defer f.Unlisten(advanced)
	for f.Head() < seq {
		select {
		case <-advanced:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// follower is the list of one loop's sessions that follow a feed. It is a conn.Task,
// which the feed posts, at most once at a time, when it has advanced.
type follower struct {
	feed   *Feed
	loop   *Waker
	next   *follower       // guarded by feed.mu
	posted bool            // guarded by feed.mu
	subs   []*Subscription // owned by the loop
}

// Appended implements engine.Watcher.
func (f *Feed) Appended(records []*engine.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.tail == nil {
		f.mu.tail = new(tail)
		f.feeds.idle.Add(f)
	}
	if records[0].Prev != f.head.Load() {
		// A remote engine may have missed some. The tail restarts after the hole;
		// sessions before it read from the engine.
		f.cutTailLocked(len(f.mu.tail.items))
		f.mu.from = max(records[0].Prev, f.head.Load())
	}
	for _, r := range records {
		f.addLocked(r)
	}
	f.head.Store(records[len(records)-1].Seq)
	f.trimTailLocked()
	f.wakeLocked()
}

func (f *Feed) addLocked(r *engine.Record) {
	t := f.mu.tail
	if r.Revokes != 0 || r.Key != "" {
		for _, it := range t.items {
			if it.Record.Seq == r.Revokes || r.Key != "" && it.Record.Key == r.Key {
				it.dead.Store(true)
			}
		}
	}
	t.items = append(t.items, &Item{Record: r})
	t.bytes += len(r.Data)
	f.feeds.tails.Add(costOf(r))
}

// trimTailLocked enforces the limits of the tail.
func (f *Feed) trimTailLocked() {
	t := f.mu.tail
	drop, bytes := 0, t.bytes
	for len(t.items)-drop > tailItems || bytes > tailBytes && drop < len(t.items)-1 {
		bytes -= len(t.items[drop].Record.Data)
		drop++
	}
	if f.feeds.tails.Load() > int64(f.feeds.config.TailMemory) {
		drop = len(t.items) - 1 // slow sessions read from the store
	}
	f.cutTailLocked(drop)
	t.touched = time.Now()
}

// cutTailLocked drops the oldest n items of the tail.
func (f *Feed) cutTailLocked(n int) {
	if n == 0 {
		return
	}
	t := f.mu.tail
	cost := int64(0)
	for _, it := range t.items[:n] {
		t.bytes -= len(it.Record.Data)
		cost += costOf(it.Record)
	}
	f.feeds.tails.Add(-cost)
	f.mu.from = t.items[n-1].Record.Seq
	clear(t.items[:n])
	t.items = t.items[n:]
}

// Evict drops the tail of a feed idle for tailAge, and reports whether it did.
func (f *Feed) Evict(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.mu.tail.touched) < tailAge {
		return false
	}
	f.cutTailLocked(len(f.mu.tail.items))
	f.mu.tail, f.mu.from = nil, f.head.Load()
	return true
}

// Forget drops the tail's records up to a sequence: they were removed from the log.
func (f *Feed) Forget(through uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.tail != nil {
		f.cutTailLocked(f.mu.tail.indexAfter(through))
	}
}

// indexAfter returns the index of the first item after a sequence.
func (t *tail) indexAfter(seq uint64) int {
	return sort.Search(len(t.items), func(i int) bool { return t.items[i].Record.Seq > seq })
}

func (f *Feed) wakeLocked() {
	for fo := f.mu.followers; fo != nil; fo = fo.next {
		if !fo.posted {
			fo.posted = true
			fo.loop.post(fo)
		}
	}
	for advanced := range f.mu.listeners {
		select {
		case advanced <- struct{}{}:
		default: // a notification is pending already
		}
	}
}

// Run marks all sessions of the follower dirty.
func (fo *follower) Run() {
	fo.feed.mu.Lock()
	fo.posted = false
	fo.feed.mu.Unlock()
	for _, sub := range fo.subs {
		sub.Owner.MarkDirty()
	}
}

// After appends to dst the tail's items after a sequence, at most max. Lagging reports
// that the sequence lies before the tail: the engine must be read.
func (f *Feed) After(seq uint64, dst []*Item, max int) (items []*Item, lagging bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if seq < f.mu.from {
		return dst, true
	}
	t := f.mu.tail
	if t == nil {
		return dst, false
	}
	i := t.indexAfter(seq)
	return append(dst, t.items[i:min(len(t.items), i+max)]...), false
}

// Follow adds a subscription to those to be woken. It is called on the owner's loop.
func (f *Feed) Follow(sub *Subscription, l *Waker) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fo := f.followerLocked(l)
	if fo == nil {
		fo = f.newFollowerLocked(l)
	}
	sub.index = int32(len(fo.subs))
	fo.subs = append(fo.subs, sub)
}

// followerLocked is the follower of a loop, or nil.
func (f *Feed) followerLocked(l *Waker) *follower {
	for fo := f.mu.followers; fo != nil; fo = fo.next {
		if fo.loop == l {
			return fo
		}
	}
	return nil
}

func (f *Feed) newFollowerLocked(l *Waker) *follower {
	fo := &f.mu.first.follower
	if fo.loop == nil {
		fo.subs = f.mu.first.subs[:0]
	} else {
		fo = new(follower) // the first one is in use, or may still be posted
	}
	fo.feed, fo.loop, fo.next = f, l, f.mu.followers
	f.mu.followers = fo
	return fo
}

// Unfollow undoes Follow. It is called on the owner's loop.
func (f *Feed) Unfollow(sub *Subscription, l *Waker) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fo := f.followerLocked(l)
	last := len(fo.subs) - 1
	fo.subs[sub.index] = fo.subs[last]
	fo.subs[sub.index].index = sub.index
	fo.subs[last] = nil
	fo.subs = fo.subs[:last]
	if last > 0 {
		return
	}
	for link := &f.mu.followers; *link != nil; link = &(*link).next {
		if *link == fo {
			*link = fo.next
			return
		}
	}
}

// Followers returns the subscribers that follow the feed, at most max of each loop. It
// queries the loops.
func (f *Feed) Followers(max int) (all []Subscriber) {
	f.mu.Lock()
	var followers []*follower
	for fo := f.mu.followers; fo != nil; fo = fo.next {
		followers = append(followers, fo)
	}
	f.mu.Unlock()
	for _, fo := range followers {
		result := make(chan []Subscriber, 1)
		if fo.loop.post(conn.Func(func() { result <- fo.owners(max) })) {
			all = append(all, <-result...)
		}
	}
	return all
}

// owners returns the owners of the loop's subscriptions. On the loop.
func (fo *follower) owners(max int) (owners []Subscriber) {
	for _, sub := range fo.subs[:min(len(fo.subs), max)] {
		owners = append(owners, sub.Owner)
	}
	return owners
}

// Listen registers a channel to be notified whenever the feed advances, for a
// subscriber without a loop.
func (f *Feed) Listen(advanced chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.listeners == nil {
		f.mu.listeners = map[chan struct{}]struct{}{}
	}
	f.mu.listeners[advanced] = struct{}{}
}

// Unlisten undoes Listen.
func (f *Feed) Unlisten(advanced chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.mu.listeners, advanced)
}

// Subscribed reports whether the feed has a subscriber: a connection, or one inside the
// program.
func (f *Feed) Subscribed() bool {
	if f.Connections() > 0 {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.mu.listeners) > 0
}

// Connections is the number of subscribed connections.
func (f *Feed) Connections() int { return int(f.connections.Load()) }

// Left stops counting a connection as subscribed. Its reference to the feed is released
// later.
func (f *Feed) Left() { f.count(-1) }

// count adds to the number of subscribed connections.
func (f *Feed) count(n int32) {
	after := int(f.connections.Add(n))
	if f.feeds.config.Counted != nil {
		f.feeds.config.Counted(f.channel, after-int(n), after)
	}
}
