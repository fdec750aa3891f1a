package pebble

import (
	"context"
	"fmt"

	"github.com/wirepost/wirepost/engine"
)

// Append implements engine.Log.
func (e *Engine) Append(ctx context.Context, entries []engine.Entry) ([]engine.Result, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.leave()
	results := make([]engine.Result, len(entries))
	if err := e.committer.Append(ctx, entries, results); err != nil {
		return nil, fmt.Errorf("append: %w", err)
	}
	return results, nil
}
