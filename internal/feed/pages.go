package feed

import (
	"sync"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
)

// Readers read pages from engines, so that no loop waits for a disk. What
// waits is bounded by the sessions: each has at most one read under way.
type Readers struct {
	limit int64        // bytes that pages in memory should come to
	held  atomic.Int64 // bytes of those that are in memory

	mu     sync.Mutex
	more   sync.Cond
	queue  []func()
	closed bool
	done   sync.WaitGroup
}

// NewReaders starts n readers, whose pages may hold limit bytes.
func NewReaders(n, limit int) *Readers {
	p := &Readers{limit: int64(limit)}
	p.more.L = &p.mu
	for range n {
		p.done.Go(p.run)
	}
	return p
}

const (
	// minPage is what a page may hold at the least, in bytes of data. A single
	// message is always read, whatever its size.
	minPage = 4 << 10
	// maxPage is what a page may hold at the most, in bytes of data.
	maxPage = 256 << 10
	// pageShare is how many pages would use up what is free.
	pageShare = 64
)

// Size is what the next page may hold, in bytes of data. The less is free, the
// smaller pages are, but nobody waits for another client to take what it was sent.
func (p *Readers) Size() int {
	return int(max(minPage, min(maxPage, (p.limit-p.held.Load())/pageShare)))
}

// Hold counts a page that was read, and returns what to give back by Release.
func (p *Readers) Hold(page engine.Page) int32 {
	n := int64(0)
	for _, r := range page.Records {
		n += Cost(r)
	}
	p.held.Add(n)
	return int32(n)
}

// Release gives back what Hold returned.
func (p *Readers) Release(n int32) { p.held.Add(-int64(n)) }

// Go runs fn on one of the readers.
func (p *Readers) Go(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, fn)
	p.more.Signal()
}

func (p *Readers) run() {
	for {
		fn := p.next()
		if fn == nil {
			return
		}
		fn()
	}
}

func (p *Readers) next() func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.queue) == 0 && !p.closed {
		p.more.Wait()
	}
	if p.closed {
		return nil
	}
	fn := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	return fn
}

// Close ends the readers; what was not read yet nobody waits for any more.
func (p *Readers) Close() {
	p.mu.Lock()
	p.closed = true
	p.more.Broadcast()
	p.mu.Unlock()
	p.done.Wait()
}
