package load

import (
	"context"
	"fmt"
	"time"

	"github.com/wirepost/wirepost/cmd/wirepost/report"
)

// Fanout measures one channel with many subscribers.
type Fanout struct {
	Bench
	Crowd
	Channel     string // "": one of the run's own
	Size        int    // of a message
	InFlight    int    // messages that not everybody has yet
	Duration    time.Duration
	Count       int // messages; 0: as many as the duration allows
	SlowPercent int // of the subscribers do not read
}

// Run pushes messages as fast as they arrive.
func (b *Fanout) Run(ctx context.Context) (*report.Report, error) {
	r, err := b.begin(ctx, "fanout")
	if err != nil {
		return nil, err
	}
	slow := b.Connections * b.SlowPercent / 100
	w, err := r.openChannel(ctx, b.Crowd, b.Channel, clientPlan{
		marks: newMarks(r.id, b.Size), slow: slow, flight: newFlight(b.Connections-slow, b.InFlight),
	})
	if err != nil {
		return nil, err
	}
	defer w.close(ctx)
	if err := w.warmUp(ctx); err != nil {
		return nil, err
	}
	rec := w.newRecorder()
	rec.start(ctx, b.Duration, w.progress)
	err = b.push(ctx, w)
	from, to := rec.stop(ctx)
	r.failed(err)

	r.add("connections", "connections", float64(b.Connections), "")
	r.add("slow_connections", "of these not reading", float64(slow), "")
	w.addTotals(from, to)
	r.addTimes("delivery", "push to each receipt", w.clients.tallies.each())
	r.addTimes("last_delivery", "push to last receipt", w.clients.plan.flight.latencies())
	r.addCPU(from, to, float64(w.delivered()), "delivery")
	w.check()
	r.plotCurve("distribution", "Distribution of push to receipt", w.clients.tallies.each())
	return r.finish(ctx), nil
}

// push keeps messages in flight until the time or the count is over, and waits
// for the last.
func (b *Fanout) push(ctx context.Context, w *broadcast) error {
	over := time.NewTimer(b.Duration)
	defer over.Stop()
	stalled := time.NewTimer(stall)
	defer stalled.Stop()
	for n := 0; b.Count == 0 || n < b.Count; n++ {
		if n >= b.InFlight {
			stalled.Reset(stall)
			select {
			case <-w.clients.plan.flight.landed:
			case <-over.C:
				return w.land(ctx)
			case <-ctx.Done():
				return w.land(ctx)
			case <-w.clients.Broken():
				return w.clients.Failure()
			case <-w.stream.done:
				return w.stream.broken()
			case <-w.refused:
				return w.word(nil)
			case <-stalled.C:
				return w.word(fmt.Errorf("for %s not everybody got the messages in flight", stall))
			}
		}
		if err := w.push(); err != nil {
			return err
		}
	}
	return w.land(ctx)
}
