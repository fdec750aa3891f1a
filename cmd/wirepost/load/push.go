package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/cmd/wirepost/report"
)

// Push measures how fast messages are stored for offline users.
type Push struct {
	Bench
	Publishers int
	Streams    bool // NDJSON in place of single posts
	InFlight   int  // pushes of a stream without a response yet
	Channels   int  // inboxes
	Size       int  // of a message
	Duration   time.Duration
	Count      int // messages; 0: as many as the duration allows
}

// pushing is a running Push. It is safe for concurrent use.
type pushing struct {
	*Push
	run    *run
	marks  marks
	tally  tally // responses, and their times
	names  []string
	latest []atomic.Uint64 // the largest sequence of each channel
	taken  atomic.Int64    // messages that some publisher has begun
	over   chan struct{}   // closed when no other message is begun

	mu struct {
		sync.Mutex
		refused uint64
		first   error // of the refusals
		broken  error // the first connection that broke
	}
}

// Run pushes as fast as the responses come.
func (b *Push) Run(ctx context.Context) (*report.Report, error) {
	r, err := b.begin(ctx, "push")
	if err != nil {
		return nil, err
	}
	if err := r.checkRoom(ctx, b.Publishers, 1); err != nil {
		return nil, err
	}
	p := &pushing{
		Push: b, run: r, marks: newMarks(r.id, b.Size),
		latest: make([]atomic.Uint64, b.Channels), over: make(chan struct{}),
	}
	for i := range b.Channels {
		p.names = append(p.names, "user:"+r.user(i))
	}
	open, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	defer r.empty(ctx, p.names)
	all := tallies{&p.tally}
	rec := r.newRecorder()
	rec.plotRate("pushes", "Pushes", p.answered)
	rec.plotTimes("latency", "Push to answer", all.cut)
	rec.plotUsage()
	rec.start(ctx, b.Duration, func() string { return fmt.Sprintf("%d pushed", p.answered()) })
	p.publish(ctx, open)
	from, to := rec.stop(ctx)
	p.addTotals(ctx, from, to)
	r.plotCurve("distribution", "Distribution of push to answer", all.each())
	return r.finish(ctx), nil
}

// publisher pushes until the run is over.
type publisher interface{ publish() error }

// open connects the publishers.
func (p *pushing) open(ctx context.Context) (all []publisher, err error) {
	for i := range p.Publishers {
		var one publisher
		if p.Streams {
			one, err = p.openBulk(ctx, p.run.node(i))
		} else {
			var post *poster
			post, err = openPoster(ctx, p.run.node(i))
			one = &singles{p, post}
		}
		if err != nil {
			close(p.over)
			for _, other := range all {
				other.publish() //nolint:errcheck // it only closes
			}
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// publish runs the publishers to the end.
func (p *pushing) publish(ctx context.Context, publishers []publisher) {
	var all sync.WaitGroup
	for _, one := range publishers {
		all.Go(func() {
			if err := one.publish(); err != nil {
				p.mu.Lock()
				if p.mu.broken == nil {
					p.mu.broken = err
				}
				p.mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	var clock sync.WaitGroup
	clock.Go(func() {
		defer close(p.over)
		select {
		case <-time.After(p.Duration):
		case <-ctx.Done():
		case <-done:
		}
	})
	all.Wait()
	close(done)
	clock.Wait()
}

// next returns the number of the next message, starting at 1, or 0 when all have
// been pushed.
func (p *pushing) next() uint64 {
	select {
	case <-p.over:
		return 0
	default:
	}
	n := p.taken.Add(1)
	if p.Count > 0 && n > int64(p.Count) {
		return 0
	}
	return uint64(n)
}

func (p *pushing) channelOf(n uint64) int { return int(n % uint64(len(p.names))) }

// took counts a response.
func (p *pushing) took(channel int, latency time.Duration, r result, err error) {
	if err == nil && r.duplicate {
		err = fmt.Errorf("the server took a new message for a repeat")
	}
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.mu.refused++; p.mu.refused == 1 {
			p.mu.first = err
		}
		return
	}
	p.tally.deliver(latency)
	for {
		before := p.latest[channel].Load()
		if before >= r.seq || p.latest[channel].CompareAndSwap(before, r.seq) {
			return
		}
	}
}

func (p *pushing) answered() uint64 { return tallies{&p.tally}.counts().delivered }

func (p *pushing) addTotals(ctx context.Context, from, to span) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, n := p.run, float64(p.answered())
	r.add("publishers", "publishers", float64(p.Publishers), "")
	r.add("channels", "inboxes", float64(p.Channels), "")
	r.add("pushes", "pushes", n, "")
	r.add("pushes_per_s", "pushes", n/from.seconds(to), "1/s")
	r.addTimes("push", "push to answer", tallies{&p.tally}.each())
	r.addCPU(from, to, n, "push")
	r.add("refused", "refused", float64(p.mu.refused), "")
	if p.mu.refused > 0 {
		r.failed(fmt.Errorf("%d pushes were refused, the first: %w", p.mu.refused, p.mu.first))
	}
	r.failed(p.mu.broken)
	r.failed(p.checkHeads(ctx))
}

// checked is how many channels are checked.
const checked = 16

// checkHeads compares the responses with the heads of some channels.
func (p *pushing) checkHeads(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	for i, name := range p.names[:min(checked, len(p.names))] {
		want := p.latest[i].Load()
		path := "/v1/channels/" + name
		if len(p.run.nodes) > 1 && want > 0 { // this one may lag the node of the last push
			path += fmt.Sprint("?min_seq=", want)
		}
		response, err := p.Target.call(ctx, http.MethodGet, path)
		if err != nil {
			return err
		}
		var channel struct {
			Head uint64 `json:"head"`
		}
		err = json.NewDecoder(response.Body).Decode(&channel)
		response.Body.Close() //nolint:errcheck // it was read
		if err != nil {
			return fmt.Errorf("look at %s: %w", name, err)
		}
		if channel.Head != want {
			return fmt.Errorf("%s ends at %d, but the response to the last push was %d", name, channel.Head, want)
		}
	}
	return nil
}
