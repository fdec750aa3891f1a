package memory

import (
	"context"
	"slices"

	"github.com/wirepost/wirepost/engine"
)

// Read implements engine.Log.
func (e *Engine) Read(ctx context.Context, channel string, after uint64, maxRecords, maxBytes int) (engine.Page, error) {
	_, err := e.enter(ctx)
	defer e.mu.Unlock()
	if err != nil {
		return engine.Page{}, err
	}
	l := e.mu.logs[channel]
	if l == nil {
		return engine.Page{Next: max(after, e.mu.base), Lost: 0 < after && after < e.mu.base}, nil
	}
	nodes := l.nodes[l.after(after):]
	page := engine.Page{Next: max(after, l.head), Lost: after < l.lost}
	if after == 0 && l.lost == l.begin {
		page.Lost = false // 0 is not a sequence of an earlier run
	}
	for i, bytes := 0, 0; i < len(nodes); i++ {
		if i == max(maxRecords, 1) || bytes > maxBytes && i > 0 {
			nodes = nodes[:i]
			break
		}
		bytes += len(nodes[i].Data)
	}
	if len(nodes) == 0 {
		return page, nil
	}
	page.Records = make([]*engine.Record, len(nodes))
	for i, n := range nodes {
		page.Records[i] = n.Record
	}
	if last := nodes[len(nodes)-1]; last != l.nodes[len(l.nodes)-1] {
		page.Next = last.Seq
	}
	return page, nil
}

// ReadBefore implements engine.Log.
func (e *Engine) ReadBefore(ctx context.Context, channel string, before uint64, maxRecords, maxBytes int) (engine.Page, error) {
	_, err := e.enter(ctx)
	defer e.mu.Unlock()
	l := e.mu.logs[channel]
	if err != nil || l == nil {
		return engine.Page{}, err
	}
	var page engine.Page
	bytes := 0
	for _, n := range slices.Backward(l.nodes[:l.from(before)]) {
		if i := len(page.Records); i > 0 && (i >= maxRecords || bytes > maxBytes) {
			page.Next = page.Records[i-1].Seq
			break
		}
		page.Records = append(page.Records, n.Record)
		bytes += len(n.Data)
	}
	page.Lost = l.lost > l.begin && l.lost >= page.Next
	return page, nil
}

// Bounds implements engine.Log.
func (e *Engine) Bounds(ctx context.Context, channel string) (engine.Bounds, error) {
	_, err := e.enter(ctx)
	defer e.mu.Unlock()
	if err != nil {
		return engine.Bounds{}, err
	}
	l := e.mu.logs[channel]
	if l == nil {
		return engine.Bounds{Head: e.mu.base, Lost: e.mu.base, Base: e.mu.base}, nil
	}
	return l.bounds(), nil
}

// Count implements engine.Log.
func (e *Engine) Count(ctx context.Context, channel string, after uint64) (int, error) {
	_, err := e.enter(ctx)
	defer e.mu.Unlock()
	if err != nil {
		return 0, err
	}
	l := e.mu.logs[channel]
	if l == nil {
		return 0, nil
	}
	return l.count(after), nil
}
