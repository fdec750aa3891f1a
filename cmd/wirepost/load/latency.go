package load

import (
	"context"
	"time"

	"github.com/wirepost/wirepost/cmd/wirepost/report"
)

// Latency measures delivery times at a steady rate.
type Latency struct {
	Bench
	Crowd
	Channel  string  // "": one of the run's own
	Size     int     // of a message
	Rate     float64 // messages a second
	Duration time.Duration
	Count    int // messages; 0: as many as the duration allows
}

// Run pushes by the clock, whether or not earlier messages have arrived.
func (b *Latency) Run(ctx context.Context) (*report.Report, error) {
	r, err := b.begin(ctx, "latency")
	if err != nil {
		return nil, err
	}
	w, err := r.openChannel(ctx, b.Crowd, b.Channel, clientPlan{marks: newMarks(r.id, b.Size)})
	if err != nil {
		return nil, err
	}
	defer w.close(ctx)
	if err := w.warmUp(ctx); err != nil {
		return nil, err
	}
	rec := w.newRecorder()
	late := &histogram{}
	rec.start(ctx, b.Duration, w.progress)
	err = b.push(ctx, w, late)
	from, to := rec.stop(ctx)
	r.failed(err)

	r.add("connections", "connections", float64(b.Connections), "")
	w.addTotals(from, to)
	r.addTimes("delivery", "push to receipt", w.clients.tallies.each())
	r.add("late_p99_ms", "pushed later than planned p99", milliseconds(late.quantile(0.99)), "ms")
	r.addCPU(from, to, float64(w.delivered()), "delivery")
	w.check()
	r.plotCurve("distribution", "Distribution of push to receipt", w.clients.tallies.each())
	return r.finish(ctx), nil
}

// push keeps the rate. After a delay it catches up, so that no message is omitted.
func (b *Latency) push(ctx context.Context, w *broadcast, late *histogram) error {
	pause := time.Duration(float64(time.Second) / b.Rate)
	timer := time.NewTimer(0)
	defer timer.Stop()
	began := time.Now()
	for n := 0; b.Count == 0 || n < b.Count; n++ {
		due := time.Duration(n) * pause
		if due >= b.Duration {
			break
		}
		if wait := due - time.Since(began); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return w.land(ctx)
			case <-w.clients.Broken():
				return w.clients.Failure()
			case <-w.stream.done:
				return w.stream.broken()
			case <-w.refused:
				return w.word(nil)
			}
		} else if ctx.Err() != nil || time.Since(began) > 2*b.Duration {
			break // it cannot keep the rate at all
		}
		late.add(time.Since(began) - due)
		if err := w.push(); err != nil {
			return err
		}
	}
	return w.land(ctx)
}
