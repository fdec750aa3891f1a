package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// broadcast is a channel with its subscribers and one publisher. Its methods must be
// called by one goroutine, except progress and delivered.
type broadcast struct {
	run     *run
	channel string
	own     bool // the channel was made for the run
	clients *clients
	stream  *stream
	readers int
	refused chan struct{} // closed by the first refusal
	body    []byte

	pushed atomic.Uint64 // with the warm-up
	warm   uint64        // messages that don't count
	ended  bool

	results struct {
		sync.Mutex
		count   uint64
		refused uint64
		first   error // of the refusals
	}
}

// openChannel connects the subscribers and the publisher. Channel "" creates a new
// one.
func (r *run) openChannel(ctx context.Context, who Crowd, channel string, plan clientPlan) (*broadcast, error) {
	b := &broadcast{run: r, channel: channel, readers: who.Connections - plan.slow, refused: make(chan struct{})}
	if channel == "" {
		b.channel, b.own = r.id, true
	}
	if err := checkChannel(b.channel); err != nil {
		return nil, err
	}
	plan.channel = b.channel
	var err error
	if b.clients, err = r.connect(ctx, who, plan); err != nil {
		return nil, err
	}
	if err = b.clients.await(ctx, r.Progress); err == nil {
		b.stream, err = openStream(ctx, &r.Target, b.answered)
	}
	if err != nil {
		b.clients.Close()
		return nil, err
	}
	return b, nil
}

// checkChannel rejects names that would need quoting in JSON.
func checkChannel(name string) error {
	for _, c := range []byte(name) {
		if c <= ' ' || c == '"' || c == '\\' || c == ',' || c == '<' || c == '>' || c == '&' || c > '~' {
			return fmt.Errorf("%q: a channel for a benchmark has plain letters, digits and punctuation only", name)
		}
	}
	return nil
}

func (b *broadcast) answered(r result, err error) {
	b.results.Lock()
	defer b.results.Unlock()
	b.results.count++
	if err == nil && r.duplicate {
		err = errors.New("the server took a new message for a repeat")
	}
	if err != nil {
		if b.results.refused++; b.results.refused == 1 {
			b.results.first = err
			close(b.refused)
		}
	}
}

// push pushes the next message.
func (b *broadcast) push() error {
	n := b.pushed.Load() + 1
	if f := b.clients.plan.flight; f != nil {
		f.launch(n)
	}
	b.pushed.Store(n)
	b.body = appendPush(b.body[:0], b.channel, &b.clients.plan.marks, n, b.run.clock)
	if err := b.stream.send(b.body); err != nil {
		return b.stream.broken()
	}
	if err := b.stream.flush(); err != nil {
		return b.stream.broken()
	}
	return nil
}

// delivered is the number of messages received in order.
func (b *broadcast) delivered() uint64 { return b.clients.tallies.counts().delivered }

func (b *broadcast) progress() string {
	return fmt.Sprintf("%d pushed, %d delivered", b.measured(), b.delivered())
}

// warmUp pushes one message, which is not counted, and waits until all subscribers
// have it.
func (b *broadcast) warmUp(ctx context.Context) error {
	if err := b.push(); err != nil {
		return err
	}
	if err := b.settle(ctx, uint64(b.readers)); err != nil {
		return err
	}
	if f := b.clients.plan.flight; f != nil {
		<-f.landed // the last arrival may come a moment after its count
		f.reset()
	}
	b.warm = b.pushed.Load()
	b.clients.tallies.reset()
	return nil
}

// measured is the number of counted messages.
func (b *broadcast) measured() uint64 { return b.pushed.Load() - b.warm }

// expected is the number of deliveries required.
func (b *broadcast) expected() uint64 { return b.measured() * uint64(b.readers) }

// land waits until all messages are delivered, or only briefly if the run was
// interrupted.
func (b *broadcast) land(ctx context.Context) error {
	if ctx.Err() == nil {
		return b.settle(ctx, b.expected())
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	return b.settle(ctx, b.expected())
}

// settle waits for want deliveries.
func (b *broadcast) settle(ctx context.Context, want uint64) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	before, since := uint64(0), time.Now()
	for {
		c := b.clients.tallies.counts()
		got := c.delivered + c.spoilt + c.gaps // what was overtaken will not come
		if got >= want {
			return nil
		}
		if got > before {
			before, since = got, time.Now()
		}
		if time.Since(since) > stall {
			return b.word(fmt.Errorf("after %s without any, %d of %d deliveries are still missing", stall, want-got, want))
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errStopped
		case <-b.refused:
			return b.word(nil)
		case <-b.clients.Broken():
			return b.clients.Failure()
		}
	}
}

// word returns the server's refusal, if there is one, instead of an error that
// followed from it.
func (b *broadcast) word(err error) error {
	b.results.Lock()
	defer b.results.Unlock()
	if b.results.refused > 0 {
		return fmt.Errorf("%d of %d pushes were refused, the first: %w", b.results.refused, b.results.count, b.results.first)
	}
	return err
}

// newRecorder records deliveries, latency and usage.
func (b *broadcast) newRecorder() *recorder {
	rec := b.run.newRecorder()
	rec.plotRate("deliveries", "Deliveries", b.delivered)
	rec.plotTimes("latency", "Push to receipt", b.clients.tallies.cut)
	rec.plotUsage()
	return rec
}

// addTotals adds the numbers of messages and deliveries.
func (b *broadcast) addTotals(from, to span) {
	messages, deliveries, seconds := float64(b.measured()), float64(b.delivered()), from.seconds(to)
	b.run.add("messages", "messages", messages, "")
	b.run.add("messages_per_s", "messages", messages/seconds, "1/s")
	b.run.add("deliveries", "deliveries", deliveries, "")
	b.run.add("deliveries_per_s", "deliveries", deliveries/seconds, "1/s")
}

// check ends the publisher and adds what was wrong.
func (b *broadcast) check() {
	b.run.failed(b.end())
	b.run.failed(b.clients.Failure())
	b.run.addCounts(b.clients.tallies.counts(), b.expected())
}

// end closes the publisher's side and returns what was wrong with the results.
func (b *broadcast) end() error {
	if b.ended {
		return nil
	}
	b.ended = true
	if err := b.stream.end(); err != nil {
		return err
	}
	return b.word(nil)
}

// close ends everything and removes what was stored.
func (b *broadcast) close(ctx context.Context) {
	b.end() //nolint:errcheck // it was reported, or something worse was
	b.clients.Close()
	if b.own {
		b.run.empty(ctx, []string{b.channel})
	}
}

const (
	cleaners  = 8
	cleanTime = 15 * time.Second
)

// empty removes the messages of a run's channels.
func (r *run) empty(ctx context.Context, channels []string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	var next, left atomic.Int64
	var all sync.WaitGroup
	for range min(cleaners, len(channels)) {
		all.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(channels); i = next.Add(1) - 1 {
				response, err := r.Target.call(ctx, http.MethodDelete, "/v1/channels/"+url.PathEscape(channels[i]))
				if err != nil || response.Body.Close() != nil || response.StatusCode != http.StatusNoContent {
					left.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := left.Load(); n > 0 {
		r.note("the messages of %d channels that begin with %s could not be removed", n, r.id)
	}
}
