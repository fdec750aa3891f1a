package load

import (
	"context"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/cmd/wirepost/report"
)

// Crowd describes the clients.
type Crowd struct {
	Connections int
	V1          bool // wirepost.v1 instead of plain mode
	Sources     int  // loopback addresses to connect from; 0: as many as it takes
}

// connect checks the limits and connects the clients. The caller must close them,
// unless there is an error.
func (r *run) connect(ctx context.Context, who Crowd, plan clientPlan) (*clients, error) {
	if err := r.checkRoom(ctx, who.Connections, who.Sources); err != nil {
		return nil, err
	}
	plan.targets, plan.clock, plan.user = r.nodes, r.clock, r.user
	plan.size, plan.v1, plan.sources = who.Connections, who.V1, who.Sources
	return connect(ctx, plan)
}

// Idle measures idle connections.
type Idle struct {
	Bench
	Crowd
	Settle   time.Duration // between connecting and measuring
	Duration time.Duration // of measuring the CPU
}

// Run connects the users, each with its inbox, and waits.
func (b *Idle) Run(ctx context.Context) (*report.Report, error) {
	r, err := b.begin(ctx, "idle")
	if err != nil {
		return nil, err
	}
	before := r.measure(ctx)
	c, err := r.connect(ctx, b.Crowd, clientPlan{marks: newMarks(r.id, 0)})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	rec := r.newRecorder()
	connected := func() uint64 { return uint64(c.Connected()) }
	rec.plot("connections", "Connections", "", func(span, span) []float64 { return []float64{float64(connected())} }, "open")
	rec.plotUsage()
	rec.start(ctx, b.Settle+b.Duration, func() string { return fmt.Sprintf("%d connections", connected()) })
	err = b.stay(ctx, r, c, before)
	rec.stop(ctx)
	if c.Connected() == 0 && err != nil && ctx.Err() == nil {
		return nil, err
	}
	r.failed(err)
	r.failed(c.Failure())
	return r.finish(ctx), nil
}

// stay connects, waits and measures.
func (b *Idle) stay(ctx context.Context, r *run, c *clients, before span) error {
	began := r.clock.now()
	err := c.await(ctx, func(string, ...any) {}) // the recorder reports it
	took := (r.clock.now() - began).Seconds()
	n := float64(c.Connected())
	r.add("connections", "connections", n, "")
	r.add("handshakes_per_s", "handshakes", n/took, "1/s")
	r.addTimes("handshake", "handshake", c.handshakeTimes())
	if err == nil {
		c.idle(ctx, b.Settle)
	}
	settled := r.measure(ctx)
	r.addMemory(before.server, settled.server, n)
	if err == nil && c.idle(ctx, b.Duration) {
		r.addCPU(settled, r.measure(ctx), 0, "")
	}
	return err
}

// idle waits; it returns false if it was interrupted.
func (c *clients) idle(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
	case <-c.Broken():
	}
	return false
}

// addMemory adds the memory that n connections take.
func (r *run) addMemory(before, after usage, n float64) {
	for _, m := range []struct {
		name, label   string
		before, after float64
	}{
		{"rss", "server RSS", before.rss, after.rss},
		{"heap", "server heap in use", before.heap, after.heap},
		{"stack", "server stacks in use", before.stack, after.stack},
	} {
		if m.before < 0 || m.after < 0 || n == 0 {
			continue
		}
		r.add(m.name+"_before_bytes", m.label+" before", m.before, "bytes")
		r.add(m.name+"_after_bytes", m.label+" after", m.after, "bytes")
		r.add(m.name+"_per_connection_bytes", m.label+" per connection", (m.after-m.before)/n, "bytes")
	}
}
