package events

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// Lease decides which node of a cluster delivers events. The node that holds it says so on
// the bus, every second. When none does for some seconds, another one claims it, and
// takes it if it hears of no better claim for half a second. A node that is cut off from
// the log gives it up, and so does one that was paused for so long that another has taken it.
//
// Nothing depends on there being only one holder: while there are two, which is possible
// after a pause of a node or of the network, events may be delivered twice.
type Lease struct {
	config LeaseConfig
	run    string // names this run of the node
	stops  []func()
	cancel context.CancelFunc
	done   chan struct{}

	mu struct {
		sync.Mutex
		heard time.Time       // when another holder was heard last
		alive time.Time       // when this node decided last
		since time.Time       // when this node claimed the lease; zero: it has not
		held  context.Context // ends when this node loses the lease; nil: it has not
		end   context.CancelFunc
		took  chan struct{} // closed when this node takes the lease
	}
}

// LeaseConfig is the configuration of a Lease.
type LeaseConfig struct {
	Node   string
	Bus    engine.Bus
	Nodes  func() []string // the other nodes that are heard
	Ready  func() error    // an error if this node must not hold it
	Logger *slog.Logger
}

const (
	leaseTopic = "events"
	claimEvery = time.Second
	// claimAfter is the time without a holder after which the first node claims the lease;
	// the others do so later, one after the other. As nodes may not see the same others,
	// two can claim it at once: so none takes it before claimWait has passed.
	claimAfter = 3 * time.Second
	claimWait  = claimEvery / 2
	claimRank  = 500 * time.Millisecond
)

// claim is what a node says that claims or holds the lease.
type claim struct {
	Node   string `json:"node"`
	Run    string `json:"run"`
	HeldMS int64  `json:"held_ms"`
	Free   bool   `json:"free,omitempty"` // it gives the lease up
}

// NewLease makes this node a candidate.
func NewLease(c LeaseConfig) (*Lease, error) {
	l := &Lease{config: c, run: rand.Text(), done: make(chan struct{})}
	l.mu.heard, l.mu.alive, l.mu.took = time.Now(), time.Now(), make(chan struct{})
	stop, err := c.Bus.Subscribe(leaseTopic, l.receive)
	if err != nil {
		return nil, err
	}
	l.stops = append(l.stops, stop)
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go l.keep(ctx)
	return l, nil
}

// Close gives the lease up.
func (l *Lease) Close() {
	l.cancel()
	<-l.done
	for _, stop := range l.stops {
		stop()
	}
}

// Held reports whether this node has the lease.
func (l *Lease) Held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.held != nil
}

// Await waits until this node has the lease, and returns a context that ends when it loses
// it or ctx is done. It returns nil when ctx is done before.
func (l *Lease) Await(ctx context.Context) context.Context {
	for {
		l.mu.Lock()
		held, took := l.mu.held, l.mu.took
		l.mu.Unlock()
		if held != nil {
			ctx, cancel := context.WithCancel(ctx)
			context.AfterFunc(held, cancel)
			return ctx
		}
		select {
		case <-took:
		case <-ctx.Done():
			return nil
		}
	}
}

func (l *Lease) keep(ctx context.Context) {
	defer close(l.done)
	tick := time.NewTicker(claimWait)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
			l.decide(n%2 == 0)
		case <-ctx.Done():
			if l.lose() {
				l.publish(claim{Node: l.config.Node, Run: l.run, Free: true})
			}
			return
		}
	}
}

// decide claims the lease, takes it, keeps it or loses it.
func (l *Lease) decide(say bool) {
	ready := l.config.Ready() == nil
	if l.paused() && l.lose() {
		l.config.Logger.Info("another node delivers events, because this one was paused")
	}
	l.mu.Lock()
	since, held, vacant := l.mu.since, l.mu.held != nil, time.Since(l.mu.heard)
	l.mu.Unlock()
	switch {
	case since.IsZero() && (!ready || vacant < claimAfter+l.rank()):
		return
	case !ready:
		if l.lose() {
			l.config.Logger.Info("another node delivers events, because this one is cut off")
			l.publish(claim{Node: l.config.Node, Run: l.run, Free: true})
		}
		return
	case since.IsZero():
		since, say = l.claim(), true
	case !held && time.Since(since) >= claimWait:
		l.take()
	}
	if say {
		l.publish(claim{Node: l.config.Node, Run: l.run, HeldMS: time.Since(since).Milliseconds()})
	}
}

// paused reports whether this node was paused until now for so long that another one may
// have taken the lease. It listens for that one then, as if it had just started.
func (l *Lease) paused() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	paused := now.Sub(l.mu.alive) >= claimAfter
	if l.mu.alive = now; paused {
		l.mu.heard = now
	}
	return paused
}

// rank is how much later than the first node this one claims the lease.
func (l *Lease) rank() time.Duration {
	nodes := append(l.config.Nodes(), l.config.Node)
	slices.Sort(nodes)
	return time.Duration(slices.Index(nodes, l.config.Node)) * claimRank
}

func (l *Lease) claim() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.since = time.Now()
	return l.mu.since
}

// take makes this node the holder, unless it has heard of a better claim.
func (l *Lease) take() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.since.IsZero() {
		return
	}
	l.mu.held, l.mu.end = context.WithCancel(context.Background())
	close(l.mu.took)
	l.mu.took = make(chan struct{})
	l.config.Logger.Info("this node delivers events")
}

// lose ends the lease or the claim, and reports whether this node had the lease.
func (l *Lease) lose() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.since = time.Time{}
	if l.mu.held == nil {
		return false
	}
	l.mu.end()
	l.mu.held = nil
	return true
}

func (l *Lease) publish(c claim) {
	data, err := json.Marshal(c)
	if err != nil {
		panic(err) // it has only texts and numbers
	}
	ctx, cancel := context.WithTimeout(context.Background(), claimEvery)
	defer cancel()
	if err := l.config.Bus.Publish(ctx, leaseTopic, data); err != nil {
		l.config.Logger.Debug("the other nodes are not told who delivers events", "error", err)
	}
}

// receive takes what another node says.
func (l *Lease) receive(data []byte) []byte {
	var c claim
	if err := json.Unmarshal(data, &c); err != nil || c.Node == "" || c.Run == l.run {
		return nil
	}
	l.mu.Lock()
	claimed, mine := !l.mu.since.IsZero(), time.Since(l.mu.since)
	switch {
	case c.Free:
		l.mu.heard = time.Now().Add(-claimAfter)
	default:
		l.mu.heard = time.Now()
	}
	l.mu.Unlock()
	if theirs := time.Duration(c.HeldMS) * time.Millisecond; claimed && !c.Free && l.yields(&c, mine, theirs) {
		l.lose()
	}
	return nil
}

// yields reports whether of two that claim the lease this one gives it up: the one that did
// later, as far as that can be told.
func (l *Lease) yields(c *claim, mine, theirs time.Duration) bool {
	if apart := theirs - mine; apart.Abs() > claimEvery {
		return apart > 0
	}
	return c.Node < l.config.Node
}
