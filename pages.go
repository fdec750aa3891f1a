package wirepost

import "sync"

// pageReaders read pages from engines, so that no loop waits for a disk. What
// waits is bounded by the sessions: each has at most one read under way.
type pageReaders struct {
	mu     sync.Mutex
	more   sync.Cond
	queue  []func()
	closed bool
	done   sync.WaitGroup
}

func newPageReaders(n int) *pageReaders {
	p := &pageReaders{}
	p.more.L = &p.mu
	for range n {
		p.done.Go(p.run)
	}
	return p
}

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
