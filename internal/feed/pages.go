package feed

import (
	"sync"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
)

// Readers read pages from engines, so that no loop waits for a disk. The queue is
// bounded by the sessions: each has at most one read in progress.
type Readers struct {
	limit int64        // target for the bytes of all pages in memory
	held  atomic.Int64 // bytes of the pages in memory

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
	// minPage is the smallest limit of a page, in bytes of data. A single message is
	// always read, whatever its size.
	minPage = 4 << 10
	// maxPage is the largest limit of a page, in bytes of data.
	maxPage = 256 << 10
	// pageShare is the number of pages that would use up the free memory.
	pageShare = 64
)

// Size is the limit of the next page, in bytes of data. The less memory is free, the
// smaller pages are, but a read never waits for another client to consume its page.
func (p *Readers) Size() int {
	return int(max(minPage, min(maxPage, (p.limit-p.held.Load())/pageShare)))
}

// Hold counts a page that was read, and returns the argument for Release.
func (p *Readers) Hold(page engine.Page) int32 {
	n := int64(0)
	for _, r := range page.Records {
		n += costOf(r)
	}
	p.held.Add(n)
	return int32(n)
}

// Release subtracts the result of Hold.
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

// Close stops the readers and drops the queued reads: their sessions have closed.
func (p *Readers) Close() {
	p.mu.Lock()
	p.closed = true
	p.more.Broadcast()
	p.mu.Unlock()
	p.done.Wait()
}
