package wirepost

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
)

// readFailed counts and logs that messages could not be read. Clients come back and try
// again, so damage, which the engine logs once, would fill the log.
func (s *Server) readFailed(channel string, err error) {
	s.metrics.readErrors.Inc()
	level := slog.LevelError
	if errors.Is(err, engine.ErrDamaged) {
		level = slog.LevelDebug
	}
	s.logger.Log(context.Background(), level, "reading a channel", "channel", channel, "error", err)
}

// pageReaders read pages from engines, so that no loop waits for a disk. What
// waits is bounded by the sessions: each has at most one read under way.
type pageReaders struct {
	limit int64        // bytes that pages in memory should come to
	held  atomic.Int64 // bytes of those that are in memory

	mu     sync.Mutex
	more   sync.Cond
	queue  []func()
	closed bool
	done   sync.WaitGroup
}

func newPageReaders(n, limit int) *pageReaders {
	p := &pageReaders{limit: int64(limit)}
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
	// pageShare is how many pages would use up what is free.
	pageShare = 64
)

// size is what the next page may hold, in bytes of data. The less is free, the
// smaller pages are, but nobody waits for another client to take what it was sent.
func (p *pageReaders) size() int {
	return int(max(minPage, min(batchBytes, (p.limit-p.held.Load())/pageShare)))
}

// hold counts a page that was read, and returns what to give back by release.
func (p *pageReaders) hold(page engine.Page) int32 {
	n := int64(0)
	for _, r := range page.Records {
		n += itemCost(r)
	}
	p.held.Add(n)
	return int32(n)
}

func (p *pageReaders) release(n int32) { p.held.Add(-int64(n)) }

func (p *pageReaders) read(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, fn)
	p.more.Signal()
}

func (p *pageReaders) run() {
	for {
		fn := p.next()
		if fn == nil {
			return
		}
		fn()
	}
}

func (p *pageReaders) next() func() {
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

// close ends the readers; what was not read yet nobody waits for any more.
func (p *pageReaders) close() {
	p.mu.Lock()
	p.closed = true
	p.more.Broadcast()
	p.mu.Unlock()
	p.done.Wait()
}
