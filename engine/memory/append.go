package memory

import (
	"context"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// Append implements engine.Log.
func (e *Engine) Append(ctx context.Context, entries []engine.Entry) ([]engine.Result, error) {
	e.order.Lock()
	defer e.order.Unlock()
	results, notices, err := e.append(ctx, entries)
	if err != nil {
		return nil, err
	}
	notify(notices)
	return results, nil
}

const window = int64(engine.IdempotencyWindow / time.Millisecond)

// notice holds the new records of one channel and the watchers to notify of them.
type notice struct {
	watchers []engine.Watcher
	records  []*engine.Record
}

// addNotice adds a new record, if it is not nil. Index has the channels in all.
func addNotice(all []notice, index map[*log]int, l *log, r *engine.Record) []notice {
	if r == nil || len(l.watchers) == 0 {
		return all
	}
	at, ok := index[l]
	if !ok {
		at = len(all)
		index[l] = at
		all = append(all, notice{watchers: l.watchers})
	}
	all[at].records = append(all[at].records, r)
	return all
}

func notify(all []notice) {
	for _, n := range all {
		for _, w := range n.watchers {
			w.Appended(n.records)
		}
	}
}

func (e *Engine) append(ctx context.Context, entries []engine.Entry) ([]engine.Result, []notice, error) {
	now, err := e.enter(ctx)
	defer e.mu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	results := make([]engine.Result, len(entries))
	var notices []notice
	index := make(map[*log]int) // in notices
	for i := range entries {
		l, r := e.appendLocked(now, 0, &entries[i], &results[i])
		notices = addNotice(notices, index, l, r)
	}
	e.fitLocked()
	return results, notices, nil
}

// appendLocked adds one entry, with a sequence, or the next one if that is 0. The record is
// nil when nothing was added.
func (e *Engine) appendLocked(now int64, seq uint64, in *engine.Entry, out *engine.Result) (*log, *engine.Record) {
	if in.Revokes != 0 && e.mu.logs[in.Channel] == nil {
		out.Err = engine.ErrNotFound
		return nil, nil
	}
	if out.Err = e.checkTimersLocked(in); out.Err != nil {
		return nil, nil
	}
	l := e.logLocked(in.Channel)
	if seq == 0 {
		seq = l.head + 1
	}
	r := &engine.Record{Seq: seq, Prev: l.head, Time: max(now, l.time)}
	if l.head == l.begin {
		r.Prev = 0 // the channel's first record
	}
	if in.Revokes != 0 {
		target := l.message(in.Revokes)
		if target == nil {
			out.Err = engine.ErrNotFound
			return l, nil
		}
		r.Revokes, r.ID = in.Revokes, target.ID
		e.removeLocked(target)
	} else {
		if m := l.memos[in.ID]; m != nil && in.Idempotent && r.Time-m.result.Time < window {
			*out = m.result
			out.Duplicate = true
			e.endTimerLocked(in)
			return l, nil
		}
		if in.Bare {
			e.bareLocked(now, in, out)
			return l, nil
		}
		r.ID, r.Key, r.ContentType, r.From, r.Trace, r.Data = in.ID, in.Key, in.ContentType, in.From, in.Trace, in.Data
		if in.TTL > 0 {
			r.Expires = r.Time + ceilMilli(in.TTL)
		}
		if earlier := l.keys[in.Key]; earlier != nil {
			e.removeLocked(earlier)
		}
	}
	e.addLocked(newNode(l, r, in.Limits.MaxAge))
	if in.Forgets != "" && in.Revokes == 0 {
		delete(l.memos, in.Forgets) // the queue of memos skips what is not there
	}
	*out = engine.Result{Seq: r.Seq, Prev: r.Prev, Time: r.Time, ID: r.ID}
	if in.Idempotent && in.Revokes == 0 {
		e.rememberLocked(l, *out)
	}
	e.endTimerLocked(in)
	e.setTimerLocked(in, out)
	e.limitLocked(l, in.Limits.MaxMessages)
	return l, r
}

func newNode(l *log, r *engine.Record, maxAge time.Duration) *node {
	n := &node{Record: r, log: l, deadline: r.Expires}
	if maxAge > 0 {
		expiry := r.Time + ceilMilli(maxAge)
		if n.deadline == 0 || expiry < n.deadline {
			n.deadline, n.aged = expiry, true
		}
	}
	return n
}

func (e *Engine) rememberLocked(l *log, r engine.Result) {
	if l.memos == nil {
		l.memos = make(map[string]*memo)
	}
	m := &memo{log: l, result: r}
	l.memos[r.ID] = m
	e.mu.memos = append(e.mu.memos, m)
	e.mu.bytes += m.size()
}

// ceilMilli rounds up, so that the shortest time to live is one millisecond.
func ceilMilli(d time.Duration) int64 {
	return int64(d/time.Millisecond) + min(1, int64(d%time.Millisecond))
}
