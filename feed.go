package wirepost

import (
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// A tail keeps what sessions that are nearly caught up still need. Who is
// further behind reads pages from the engine.
const (
	tailItems = 512
	tailBytes = 1 << 20
	// tailAge is how long an idle feed keeps its tail.
	tailAge = 2 * time.Second
)

// feed is the live end of one channel that has subscribers: the newest records,
// and who is to be woken when there are more. It exists while it has references
// (see feeds).
//
// Sessions pull from it: it knows no cursors.
type feed struct {
	// Static.
	srv     *Server
	channel string
	policy  *Policy

	start atomic.Pointer[feedStart] // nil once it has begun
	refs  int32                     // guarded by the feeds' shard
	// sessions counts the connections that subscribe, also those still in their
	// handshake.
	sessions atomic.Int32

	head atomic.Uint64 // the last sequence that Appended brought, or that watch found

	mu struct {
		sync.Mutex
		tail      *tail                      // nil while the feed is idle
		from      uint64                     // the tail holds every record after it
		followers *follower                  // one for each loop that follows, linked
		listeners map[chan struct{}]struct{} // of subscribers inside the program

		// first is room for the one session that most inboxes have.
		first struct {
			follower follower
			subs     [1]*subscription
		}
	}
}

// tail is the newest records of a feed, oldest first.
type tail struct {
	items   []*item
	bytes   int       // of data
	touched time.Time // of the last append
}

// clamp is a sequence that a client or the store named, or the head where that is
// lower. The log's readers may be ahead of the feed: a record can be read just before
// its watchers are notified, and what a client has of it counts. It may wait.
func (f *feed) clamp(seq uint64) (uint64, error) {
	head := f.head.Load()
	if seq <= head {
		return seq, nil
	}
	b, err := f.log().Bounds(f.channel)
	return min(seq, max(head, b.Head)), err
}

// log is where the channel's records are.
func (f *feed) log() engine.Log { return f.srv.logOf(f.policy) }

// follower is the sessions of one loop that follow a feed. It is a conn.Task: the
// feed posts it, at most once at a time, when it has advanced.
type follower struct {
	feed   *feed
	loop   *loop
	next   *follower       // guarded by feed.mu
	posted bool            // guarded by feed.mu
	subs   []*subscription // owned by the loop
}

func (f *feed) key() string { return f.channel }

// Appended implements engine.Watcher.
func (f *feed) Appended(records []*engine.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.tail == nil {
		f.mu.tail = new(tail)
		f.srv.feeds.warm.add(f)
	}
	if records[0].Prev != f.head.Load() {
		// A remote engine may have missed some. The tail begins again behind the
		// hole; sessions before it read the engine.
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

func (f *feed) addLocked(r *engine.Record) {
	t := f.mu.tail
	if r.Revokes != 0 || r.Key != "" {
		for _, it := range t.items {
			if it.rec.Seq == r.Revokes || r.Key != "" && it.rec.Key == r.Key {
				it.dead.Store(true)
			}
		}
	}
	t.items = append(t.items, &item{rec: r})
	t.bytes += len(r.Data)
	f.srv.feeds.tails.Add(itemCost(r))
}

// itemCost is about what an item takes: its data, once more in a frame, and what
// surrounds them.
func itemCost(r *engine.Record) int64 { return 2*int64(len(r.Data)) + 400 }

// trimTailLocked holds the tail to its limits.
func (f *feed) trimTailLocked() {
	t := f.mu.tail
	drop, bytes := 0, t.bytes
	for len(t.items)-drop > tailItems || bytes > tailBytes && drop < len(t.items)-1 {
		bytes -= len(t.items[drop].rec.Data)
		drop++
	}
	if f.srv.feeds.tails.Load() > int64(f.srv.opts.TailMemory) {
		drop = len(t.items) - 1 // who is not quick reads the store
	}
	f.cutTailLocked(drop)
	t.touched = time.Now()
}

// cutTailLocked drops the oldest n items of the tail.
func (f *feed) cutTailLocked(n int) {
	if n == 0 {
		return
	}
	t := f.mu.tail
	cost := int64(0)
	for _, it := range t.items[:n] {
		t.bytes -= len(it.rec.Data)
		cost += itemCost(it.rec)
	}
	f.srv.feeds.tails.Add(-cost)
	f.mu.from = t.items[n-1].rec.Seq
	clear(t.items[:n])
	t.items = t.items[n:]
}

// cool drops the tail of a feed that has been idle for tailAge, and says whether
// it did.
func (f *feed) cool(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.mu.tail.touched) < tailAge {
		return false
	}
	f.cutTailLocked(len(f.mu.tail.items))
	f.mu.tail, f.mu.from = nil, f.head.Load()
	return true
}

// forget drops the tail's records up to a sequence: they were removed from the
// log.
func (f *feed) forget(through uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.tail != nil {
		f.cutTailLocked(f.mu.tail.behind(through))
	}
}

// behind is the index of the first item after a sequence.
func (t *tail) behind(seq uint64) int {
	return sort.Search(len(t.items), func(i int) bool { return t.items[i].rec.Seq > seq })
}

func (f *feed) wakeLocked() {
	for fo := f.mu.followers; fo != nil; fo = fo.next {
		if !fo.posted {
			fo.posted = true
			fo.loop.Post(fo)
		}
	}
	for advanced := range f.mu.listeners {
		select {
		case advanced <- struct{}{}:
		default: // it will look anyway
		}
	}
}

// Run marks every session that follows as having something to send.
func (fo *follower) Run() {
	fo.feed.mu.Lock()
	fo.posted = false
	fo.feed.mu.Unlock()
	for _, sub := range fo.subs {
		sub.session.markDirty()
	}
}

// after appends to dst the tail's items after a sequence, at most max. Behind
// says that the sequence lies before the tail: the engine has to be read.
func (f *feed) after(seq uint64, dst []*item, max int) (items []*item, behind bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if seq < f.mu.from {
		return dst, true
	}
	t := f.mu.tail
	if t == nil {
		return dst, false
	}
	i := t.behind(seq)
	return append(dst, t.items[i:min(len(t.items), i+max)]...), false
}

// follow makes a subscription one of those to wake. Called on its session's loop.
func (f *feed) follow(sub *subscription) {
	l := sub.session.loop
	f.mu.Lock()
	defer f.mu.Unlock()
	for fo := f.mu.followers; fo != nil; fo = fo.next {
		if fo.loop == l {
			sub.follower = fo
			break
		}
	}
	if sub.follower == nil {
		sub.follower = f.newFollowerLocked(l)
	}
	sub.index = int32(len(sub.follower.subs))
	sub.follower.subs = append(sub.follower.subs, sub)
}

func (f *feed) newFollowerLocked(l *loop) *follower {
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

// unfollow ends that. Called on the session's loop.
func (f *feed) unfollow(sub *subscription) {
	fo := sub.follower
	last := len(fo.subs) - 1
	fo.subs[sub.index] = fo.subs[last]
	fo.subs[sub.index].index = sub.index
	fo.subs[last] = nil
	fo.subs = fo.subs[:last]
	sub.follower = nil
	if last > 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for link := &f.mu.followers; *link != nil; link = &(*link).next {
		if *link == fo {
			*link = fo.next
			return
		}
	}
}

// subscribed says whether the feed has a subscriber: a connection, or one inside the
// program.
func (f *feed) subscribed() bool {
	if f.count(0) > 0 {
		return true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.mu.listeners) > 0
}

// count adds to the number of subscribed connections and returns it.
func (f *feed) count(delta int) int { return int(f.sessions.Add(int32(delta))) }
