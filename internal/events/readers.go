package events

import (
	"context"
	"sync"
)

// Readers delivers the events of the log to targets, each in a goroutine of its own, so
// that none waits for another. In a cluster one node at a time does it.
type Readers struct {
	config *Config
	lease  *Lease // nil: there are no other nodes
	all    []*reader

	cancel  context.CancelFunc
	running sync.WaitGroup
}

// NewReaders starts the readers, and then the recorder: nothing is written before it is
// stored where they begin.
func NewReaders(r *Recorder, lease *Lease, targets []Target) *Readers {
	rs := &Readers{config: &r.config, lease: lease}
	for _, t := range targets {
		rs.all = append(rs.all, &reader{Target: t, config: rs.config, stats: ReaderStats{Target: t.Label}})
	}
	ctx, cancel := context.WithCancel(context.Background())
	rs.cancel = cancel
	rs.running.Go(func() {
		if !rs.begin(ctx) {
			return
		}
		r.Start()
		rs.run(ctx)
	})
	return rs
}

// Close stops the readers.
func (rs *Readers) Close() {
	rs.cancel()
	rs.running.Wait()
}

// Stats describes the readers.
func (rs *Readers) Stats() []ReaderStats {
	list := make([]ReaderStats, len(rs.all))
	for i, d := range rs.all {
		list[i] = d.Stats()
	}
	return list
}

// begin stores where the readers begin, and returns false when ctx is done.
func (rs *Readers) begin(ctx context.Context) bool {
	for failed := false; ; failed = true {
		err := begin(ctx, rs.config, rs.all)
		if err == nil || ctx.Err() != nil {
			return ctx.Err() == nil
		}
		if !failed {
			rs.config.Logger.Warn("events cannot be delivered yet", "error", err)
		}
		rest(ctx, retryEvery)
	}
}

// run delivers while this node is the one that does.
func (rs *Readers) run(ctx context.Context) {
	if rs.lease == nil {
		rs.deliver(ctx)
		return
	}
	for ctx.Err() == nil {
		held := rs.lease.Await(ctx)
		if held != nil {
			rs.deliver(held)
		}
	}
}

func (rs *Readers) deliver(ctx context.Context) {
	var running sync.WaitGroup
	for _, d := range rs.all {
		running.Go(func() { d.run(ctx) })
	}
	running.Wait()
	<-ctx.Done() // if there are none
}
