package feed

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/evict"
	"github.com/wirepost/wirepost/internal/registry"
)

// Feeds holds the feed of every channel with subscribers. It is safe for concurrent
// use.
type Feeds struct {
	config Config
	all    *registry.Sharded[*Feed]
	idle   *evict.Set[*Feed] // feeds with a tail
	tails  atomic.Int64      // bytes in all tails, an estimate
}

// Config is the configuration of Feeds.
type Config struct {
	Durable, Memory engine.Log
	// MemoryOnly reports whether a channel is stored in the memory-only log.
	MemoryOnly func(channel string) bool
	// HasPresence reports whether a channel has presence. Nil means none.
	HasPresence func(channel string) bool
	// Counted is called when the number of connections that are subscribed to a channel has
	// changed. May be nil. It must not block.
	Counted func(channel string, before, after int)
	// TailMemory limits the bytes of all tails.
	TailMemory int
}

// New makes the feeds of a server.
func New(c Config) *Feeds {
	return &Feeds{config: c, all: registry.NewSharded[*Feed](), idle: evict.NewSet[*Feed](tailAge)}
}

// Close stops the eviction of idle tails.
func (fs *Feeds) Close() { fs.idle.Close() }

// LogOf returns the log that stores a channel.
func (fs *Feeds) LogOf(channel string) engine.Log { return fs.log(fs.config.MemoryOnly(channel)) }

func (fs *Feeds) log(memoryOnly bool) engine.Log {
	if memoryOnly {
		return fs.config.Memory
	}
	return fs.config.Durable
}

// Subscribe returns the feed of a channel, and counts one more connection as
// subscribed. The caller must call Release.
func (fs *Feeds) Subscribe(channel string) (*Feed, error) { return fs.acquire(channel, 1) }

// Acquire returns the feed of a channel for a subscriber that is not a connection. The
// caller must call Unref.
func (fs *Feeds) Acquire(channel string) (*Feed, error) { return fs.acquire(channel, 0) }

func (fs *Feeds) acquire(channel string, connections int32) (*Feed, error) {
	sh := fs.all.Of(channel)
	sh.Lock()
	f := sh.Get(channel)
	if f == nil {
		f = &Feed{feeds: fs, channel: channel, memoryOnly: fs.config.MemoryOnly(channel)}
		f.presence = fs.config.HasPresence != nil && fs.config.HasPresence(channel)
		f.start.Store(new(start))
		sh.Add(f)
	}
	f.refs++
	sh.Unlock()

	if connections != 0 {
		f.count(connections)
	}
	if err := f.begin(); err != nil {
		if connections != 0 {
			f.count(-connections)
		}
		fs.Unref(f)
		return nil, err
	}
	return f, nil
}

// start is the initialization of a feed, which all its callers wait for.
type start struct {
	once sync.Once
	err  error
}

// begin starts watching, once for all callers, so no caller's context cancels it. A
// record that arrives before the head is known has already set head and from: it looked
// like a record after a hole.
func (f *Feed) begin() error {
	start := f.start.Load()
	if start == nil {
		return nil
	}
	start.once.Do(func() {
		head, err := f.Log().Watch(context.Background(), f.channel, f)
		if err != nil {
			start.err = err
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.head.Load() == 0 {
			f.head.Store(head)
		}
		f.mu.from = max(f.mu.from, head) // the tail has every record after it
		f.start.Store(nil)
	})
	return start.err
}

// Release undoes Subscribe.
func (fs *Feeds) Release(f *Feed) {
	f.Left()
	fs.Unref(f)
}

// Unref releases the reference to the feed alone. It may wait: the last call stops
// watching.
func (fs *Feeds) Unref(f *Feed) {
	sh := fs.all.Of(f.channel)
	sh.Lock()
	f.refs--
	last := f.refs == 0
	if last {
		sh.Remove(f)
	}
	sh.Unlock()
	if last && f.start.Load() == nil {
		f.Log().Unwatch(f.channel, f)
	}
}

// Find returns the feed of a channel, or nil if it has no subscribers.
func (fs *Feeds) Find(channel string) *Feed { return fs.all.Find(channel) }

// All returns every feed.
func (fs *Feeds) All() []*Feed { return fs.all.All() }

// Connections is the number of connections that are subscribed to a channel.
func (fs *Feeds) Connections(channel string) int {
	if f := fs.Find(channel); f != nil {
		return f.Connections()
	}
	return 0
}

// Subscribed is the number of channels with subscribers.
func (fs *Feeds) Subscribed() (n int) {
	for _, f := range fs.All() {
		if f.Subscribed() {
			n++
		}
	}
	return n
}

// Len is the number of feeds, including those held only by sessions that have left.
func (fs *Feeds) Len() int { return fs.all.Len() }
