package memory

import "context"

// expireLocked removes expired records, and IDs past the idempotency window.
func (e *Engine) expireLocked(now int64) {
	for len(e.mu.due) > 0 && e.mu.due[0].deadline <= now {
		if n := e.mu.due[0]; n.aged {
			e.loseLocked(n)
		} else {
			e.removeLocked(n)
		}
	}
	for len(e.mu.memos) > 0 && e.mu.memos[0].result.Time+window <= now {
		e.forgetOldestMemoLocked()
	}
}

// limitLocked removes the oldest messages over a channel's limit, and the revocations
// before each.
func (e *Engine) limitLocked(l *log, maxMessages int) {
	if maxMessages <= 0 {
		return
	}
	for l.live > maxMessages {
		e.loseLocked(l.nodes[0])
	}
}

// fitLocked removes the oldest records and memos until the rest fits the budget.
func (e *Engine) fitLocked() {
	for e.mu.bytes > e.maxBytes {
		n := e.mu.oldest.front()
		switch {
		case len(e.mu.memos) > 0 && (n == nil || e.mu.memos[0].result.Time < n.Time):
			e.forgetOldestMemoLocked()
		case n != nil:
			e.loseLocked(n)
		default:
			return
		}
	}
}

// Trim implements engine.Log.
func (e *Engine) Trim(ctx context.Context, channel string, through uint64) error {
	_, err := e.enter(ctx)
	defer e.mu.Unlock()
	if err != nil {
		return err
	}
	e.trimLocked(channel, through)
	return nil
}

func (e *Engine) trimLocked(channel string, through uint64) {
	l := e.mu.logs[channel]
	for l != nil && len(l.nodes) > 0 && l.nodes[0].Seq <= through {
		e.loseLocked(l.nodes[0])
	}
}
