package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/propose"
)

// enter begins a change, which leave ends.
func (e *Engine) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e.life.RLock()
	if e.life.closed {
		e.life.RUnlock()
		return engine.ErrClosed
	}
	return nil
}

func (e *Engine) leave() { e.life.RUnlock() }

// admit finds out whether the replica would take more. What is in the log has to be applied
// by all nodes, so this is asked before a change is proposed, and not every time, because
// the replica asks the disk.
func (e *Engine) admit() {
	var refusal error
	if h, ok := e.Replica.(engine.Health); ok {
		refusal = h.Ready()
	}
	if refusal == nil {
		e.refusal.Store(nil)
	} else {
		e.refusal.Store(&refusal)
	}
}

// admitted returns why the replica would take no more, or nil.
func (e *Engine) admitted() error {
	if err := e.refusal.Load(); err != nil {
		return *err
	}
	return nil
}

// Append implements engine.Log. Entries of different shards are independent of each other:
// if some shards fail, the entries in them have an error of their own.
func (e *Engine) Append(ctx context.Context, entries []engine.Entry) ([]engine.Result, error) {
	if err := e.admitted(); err != nil {
		return nil, fmt.Errorf("append: %w", err)
	}
	return e.append(ctx, entries, e.shardOf)
}

func (e *Engine) append(ctx context.Context, entries []engine.Entry, shardOf func(channel string) *shard) ([]engine.Result, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.leave()
	calls := make(map[*shard]*propose.Call, 1)
	index := make(map[*shard][]int, 1) // of the entries of a call
	var order []*shard
	for i := range entries {
		s := shardOf(entries[i].Channel)
		c := calls[s]
		if c == nil {
			c = propose.NewCall()
			calls[s] = c
			order = append(order, s)
		}
		in := &entries[i]
		if in.Trace != "" && !s.proposer.Allows(batch.LevelTraces) { // a push does not fail because it is traced
			untraced := *in
			untraced.Trace = ""
			in = &untraced
		}
		c.Data = batch.AppendEntry(c.Data, in)
		c.Level = max(c.Level, batch.LevelOf(in))
		c.Entries++
		index[s] = append(index[s], i)
	}
	for _, s := range order {
		s.proposer.Start(ctx, calls[s])
	}
	results := make([]engine.Result, len(entries))
	failed := 0
	var first error
	for _, s := range order {
		got, err := calls[s].Wait(e.o.Patience)
		if err != nil {
			failed++
			first = errors.Join(first, err)
		}
		for k, i := range index[s] {
			if err != nil {
				results[i].Err = err
			} else {
				results[i] = got[k]
			}
		}
	}
	if failed == len(order) {
		if errors.Is(first, engine.ErrClosed) {
			return nil, engine.ErrClosed // whether it waited or had yet to begin
		}
		return nil, fmt.Errorf("append: %w", first)
	}
	return results, nil
}

// Tick proposes a batch without changes to every shard, and waits until the replica has
// applied it, and with it everything that was in the log before.
func (e *Engine) Tick(ctx context.Context) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	shards := e.all()
	calls := make([]*propose.Call, len(shards))
	for i, s := range shards {
		calls[i] = propose.NewCall()
		calls[i].Sweep = true
		s.proposer.Start(ctx, calls[i])
	}
	var failed error
	for _, c := range calls {
		_, err := c.Wait(e.o.Patience)
		failed = errors.Join(failed, err)
	}
	return failed
}

// Trim implements engine.Log.
func (e *Engine) Trim(ctx context.Context, channel string, through uint64) error {
	return e.trim(ctx, channel, through, e.shardOf(channel))
}

func (e *Engine) trim(ctx context.Context, channel string, through uint64, s *shard) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	c := propose.NewCall()
	c.Alone = true
	c.Data = batch.AppendTrim(nil, &engine.Trim{Channel: channel, Through: through})
	s.proposer.Start(ctx, c)
	if _, err := c.Wait(e.o.Patience); err != nil {
		return fmt.Errorf("trim: %w", err)
	}
	return nil
}

// Save implements engine.Users. What is in the log is durable, so sync changes nothing.
func (e *Engine) Save(ctx context.Context, updates []engine.Update, _ bool) error {
	if err := e.admitted(); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return e.save(ctx, updates, func(i int) *shard { return e.shardOf("user:" + updates[i].User) })
}

// CatchUp implements engine.Shared: an update of nobody passes through the log of the
// channel's shard, or of each.
func (e *Engine) CatchUp(ctx context.Context, channel string) error {
	shards := e.shards
	if channel != "" {
		shards = []*shard{e.shardOf(channel)}
	}
	return e.save(ctx, make([]engine.Update, len(shards)), func(i int) *shard { return shards[i] })
}

// save puts updates into the logs of shards, which shardOf returns for the index of each.
func (e *Engine) save(ctx context.Context, updates []engine.Update, shardOf func(i int) *shard) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	calls := make(map[*shard]*propose.Call, 1)
	for i := range updates {
		s := shardOf(i)
		c := calls[s]
		if c == nil {
			c = propose.NewCall()
			calls[s] = c
		}
		c.Data = batch.AppendUpdate(c.Data, &updates[i])
		c.Level = max(c.Level, batch.LevelOfUpdate(&updates[i]))
	}
	for s, c := range calls {
		s.proposer.Start(ctx, c)
	}
	var failed error
	for _, c := range calls {
		_, err := c.Wait(e.o.Patience)
		failed = errors.Join(failed, err)
	}
	if failed != nil {
		return fmt.Errorf("save: %w", failed)
	}
	return nil
}
