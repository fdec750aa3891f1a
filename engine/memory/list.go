package memory

import (
	"context"
	"iter"
	"slices"
	"strings"
)

// ListChannels implements engine.Log.
func (e *Engine) ListChannels(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	_, err := e.enter(ctx)
	defer e.mu.Unlock()
	if err != nil {
		return nil, err
	}
	written := func(yield func(string) bool) {
		for name, l := range e.mu.logs {
			if l.head > l.begin && !yield(name) {
				return
			}
		}
	}
	return page(written, prefix, after, limit), nil
}

// page returns the first names with the prefix that sort after the name after, in order.
// The maps they come from are unordered, so each page visits all names; what it holds in
// the meantime is bounded by limit.
func page(names iter.Seq[string], prefix, after string, limit int) (first []string) {
	limit = max(limit, 0)
	cut := func() {
		slices.Sort(first)
		first = first[:min(len(first), limit)]
	}
	for name := range names {
		if name <= after || !strings.HasPrefix(name, prefix) {
			continue
		}
		if first = append(first, name); len(first) >= 2*limit+64 {
			cut()
		}
	}
	cut()
	return first
}
