package wirepost

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
)

const shards = 64

// feeds holds the feed of every channel that has subscribers.
type feeds struct {
	srv   *Server
	seed  maphash.Seed
	warm  *warmSet[*feed]
	tails atomic.Int64 // bytes in all tails, about
	shard [shards]struct {
		sync.Mutex
		feeds nameTable[*feed]
	}
}

func newFeeds(srv *Server) *feeds {
	return &feeds{srv: srv, warm: newWarmSet[*feed](tailAge), seed: maphash.MakeSeed()}
}

// subscribe returns the feed of a channel, with one more connection counted as
// subscribed. The caller owes a call of release.
func (fs *feeds) subscribe(channel string) (*feed, error) { return fs.acquire(channel, 1) }

// acquire returns the feed of a channel, with so many more connections counted.
func (fs *feeds) acquire(channel string, connections int) (*feed, error) {
	sh := &fs.shard[maphash.String(fs.seed, channel)%shards]
	sh.Lock()
	f := sh.feeds.get(channel)
	if f == nil {
		f = &feed{srv: fs.srv, channel: channel, policy: fs.srv.policies.of(channel)}
		f.start.Store(new(feedStart))
		sh.feeds.add(f)
	}
	f.refs++
	sh.Unlock()

	f.count(connections)
	if err := f.begin(); err != nil {
		f.count(-connections)
		fs.unref(f)
		return nil, err
	}
	return f, nil
}

// feedStart is the first use of a feed, which everybody else who wants it waits
// for.
type feedStart struct {
	once sync.Once
	err  error
}

// begin starts watching, once. A record that comes before the head is known has
// settled head and from already: it looked like one behind a hole.
func (f *feed) begin() error {
	start := f.start.Load()
	if start == nil {
		return nil
	}
	start.once.Do(func() {
		head, err := f.log().Watch(f.channel, f)
		if err != nil {
			start.err = err
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.head.Load() == 0 {
			f.head.Store(head)
		}
		f.mu.from = max(f.mu.from, head) // the tail has every record after that
		f.start.Store(nil)
	})
	return start.err
}

// release gives back what subscribe returned.
func (fs *feeds) release(f *feed) {
	f.count(-1)
	fs.unref(f)
}

// unref gives back the feed alone, and may wait: the last one stops watching.
func (fs *feeds) unref(f *feed) {
	sh := &fs.shard[maphash.String(fs.seed, f.channel)%shards]
	sh.Lock()
	f.refs--
	last := f.refs == 0
	if last {
		sh.feeds.remove(f)
	}
	sh.Unlock()
	if last && f.start.Load() == nil {
		f.log().Unwatch(f.channel, f)
	}
}

// of returns the feed of a channel, or nil when nobody is subscribed.
func (fs *feeds) of(channel string) *feed {
	sh := &fs.shard[maphash.String(fs.seed, channel)%shards]
	sh.Lock()
	defer sh.Unlock()
	return sh.feeds.get(channel)
}

// subscribers counts the connections subscribed to a channel.
func (fs *feeds) subscribers(channel string) int {
	if f := fs.of(channel); f != nil {
		return f.count(0)
	}
	return 0
}

// subscribed is the number of channels with subscribers.
func (fs *feeds) subscribed() (n int) {
	fs.each(func(f *feed) {
		if f.subscribed() {
			n++
		}
	})
	return n
}

// len is the number of feeds, those included that only sessions hold which have left.
func (fs *feeds) len() (n int) {
	for i := range fs.shard {
		sh := &fs.shard[i]
		sh.Lock()
		n += sh.feeds.count
		sh.Unlock()
	}
	return n
}

// logOf is the log that keeps a channel with that policy.
func (s *Server) logOf(p *Policy) engine.Log {
	if p.MemoryOnly {
		return s.memory
	}
	return s.engine
}
