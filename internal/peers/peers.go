// Package peers holds what the nodes of a cluster tell each other about their
// connections, and may lose: how many each has in every channel. It also asks questions of
// other nodes. It knows nothing of sessions.
//
// Each node announces the channels whose number of connections has changed, together
// after a short time. Every second it announces sums over everything that it has announced;
// a node with other sums has missed something, and asks for the parts that differ. All
// announcements of a node are on one topic, so they arrive in order.
package peers

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine"
)

const (
	// announceDelay is how long a change may wait so that it is announced together with
	// others.
	announceDelay = 50 * time.Millisecond
	// beatEvery is the time between the sums that a node announces.
	beatEvery = time.Second
	// silentAfter is the time after which a node from which nothing is heard has no
	// connections.
	silentAfter = 3 * time.Second
	// leftFor is how long it is known at least where connections have ended.
	leftFor = time.Second
	// dropAfter is the time after which the counts of a silent node are dropped. Until
	// then they are valid again as soon as it is heard.
	dropAfter = time.Minute
	// publishTimeout limits the time of an announcement. One that fails is lost.
	publishTimeout = time.Second
)

// Config is the configuration of Peers.
type Config struct {
	Node string // the name of this node
	Bus  engine.Bus
	// Count is the number of connections in a channel on this node.
	Count func(channel string) int
	// Answer answers a question that another node asks by Ask. Calls do not overlap. May be
	// nil if none asks.
	Answer func(question []byte) []byte
	Logger *slog.Logger

	// Topic separates several Peers of a node. "": peers
	Topic string
	// Changed is called when a name has begun to be counted on another node, or has stopped:
	// of what a node announces at once, first for those that have begun, so that a user who
	// only gets another name there is not missed in between.
	// Lost says that it has stopped because the node has left or was restarted. It is not
	// called for names of a node that is silent before these are dropped. May be nil.
	Changed func(name string, counted, lost bool)
	// DropAfter is the time after which the counts of a silent node are dropped. 0: a minute
	DropAfter time.Duration
}

// Peers knows the connections of the other nodes, and tells them those of this one. It is
// safe for concurrent use.
type Peers struct {
	config Config
	run    run
	start  time.Time // the base of node.heard
	self   *node
	table  table

	ctx     context.Context
	cancel  context.CancelFunc
	stops   []func() // of the subscriptions
	running sync.WaitGroup

	wake  chan struct{} // cap 1: there is something in mu to do
	greet chan struct{} // cap 1: a node has started, and is to know this one at once

	mu struct {
		sync.Mutex
		dirty  map[string]struct{} // channels to announce
		resend uint64              // buckets to announce, as a bit mask
		wanted map[*node]uint64    // buckets of other nodes to ask for
	}

	left left

	// receiving is held while an announcement is processed, and while nodes are
	// forgotten. It is taken before the lock of a bucket.
	receiving sync.Mutex
	nodes     atomic.Pointer[[]*node] // by index, this one first; a list is never changed
}

// run names one run of a node.
type run [8]byte

// node is what is known of a node.
type node struct {
	name  string
	index uint16
	// heard is when the node was heard last, in ns since Peers.start; 0: it has no
	// connections.
	heard atomic.Int64

	run  run             // guarded by receiving
	sums [buckets]uint64 // of its counts; guarded by the lock of the bucket
}

// New makes this node known to the others. Call Close to stop it.
func New(c Config) (*Peers, error) {
	c.Topic = cmp.Or(c.Topic, "peers")
	c.DropAfter = cmp.Or(c.DropAfter, dropAfter)
	p := &Peers{config: c, start: time.Now(), wake: make(chan struct{}, 1), greet: make(chan struct{}, 1), self: &node{name: c.Node}}
	rand.Read(p.run[:]) //nolint:errcheck // it never fails
	p.nodes.Store(&[]*node{p.self})
	p.mu.dirty, p.mu.wanted = map[string]struct{}{}, map[*node]uint64{}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for name, f := range map[string]func([]byte) []byte{
		c.Topic: p.receive, p.topicOf(c.Node): p.asked,
	} {
		stop, err := c.Bus.Subscribe(name, f)
		if err != nil {
			p.stop()
			return nil, fmt.Errorf("listen to the other nodes: %w", err)
		}
		p.stops = append(p.stops, stop)
	}
	p.running.Go(p.announceAll)
	return p, nil
}

func (p *Peers) stop() {
	p.cancel()
	p.running.Wait()
	for _, stop := range p.stops {
		stop()
	}
}

// Close tells the other nodes that this one has no connections any more.
func (p *Peers) Close() {
	p.stop()
	p.publish(p.config.Topic, p.header(kindGone))
}

// topicOf is the topic of questions to a node, in characters that every Bus allows.
func (p *Peers) topicOf(name string) string {
	return p.config.Topic + "." + hex.EncodeToString([]byte(name))
}

// Changed says that the number of connections in a channel of this node has changed.
func (p *Peers) Changed(channel string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.dirty[channel] = struct{}{}
	if len(p.mu.dirty) == 1 {
		poke(p.wake)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Count is the number of connections in a channel on all other nodes.
func (p *Peers) Count(channel string) (n int) {
	p.table.each(channel, func(index uint16, count uint32) {
		if p.alive(index) {
			n += int(count)
		}
	})
	return n
}

// With lists the other nodes that have connections in a channel.
func (p *Peers) With(channel string) (names []string) {
	p.table.each(channel, func(index uint16, _ uint32) {
		if p.alive(index) {
			names = append(names, (*p.nodes.Load())[index].name)
		}
	})
	return names
}

// Lately is With, and the nodes whose last connection in the channel has just ended.
func (p *Peers) Lately(channel string) (names []string) {
	names = p.With(channel)
	for _, n := range p.left.of(channel, time.Now()) {
		if p.alive(n.index) && !slices.Contains(names, n.name) {
			names = append(names, n.name)
		}
	}
	return names
}

// Nodes lists the other nodes that are heard.
func (p *Peers) Nodes() (names []string) {
	for _, n := range *p.nodes.Load() {
		if p.alive(n.index) {
			names = append(names, n.name)
		}
	}
	return names
}

// All calls yield with every channel whose name begins with prefix and that has connections
// on other nodes, and with their number, until yield returns false.
func (p *Peers) All(prefix string, yield func(channel string, n int) bool) {
	type counted struct {
		channel string
		n       int
	}
	var some []counted
	for i := range p.table {
		some = some[:0]
		p.table[i].all(func(channel string, index uint16, count uint32) {
			switch last := len(some) - 1; {
			case !p.alive(index) || !strings.HasPrefix(channel, prefix):
			case last >= 0 && some[last].channel == channel:
				some[last].n += int(count)
			default:
				some = append(some, counted{channel, int(count)})
			}
		})
		for _, c := range some {
			if !yield(c.channel, c.n) {
				return
			}
		}
	}
}

// alive reports whether the node with an index is another one that is heard.
func (p *Peers) alive(index uint16) bool {
	if index == p.self.index {
		return false
	}
	heard := (*p.nodes.Load())[index].heard.Load()
	return heard != 0 && p.now()-heard < int64(silentAfter)
}

// now is the time as in node.heard, which is never 0.
func (p *Peers) now() int64 { return int64(time.Since(p.start)) + 1 }

// announceAll announces this node until it is closed.
func (p *Peers) announceAll() {
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	var later <-chan time.Time // nil: nothing waits to be announced
	p.publish(p.config.Topic, p.header(kindHello))
	p.beat()
	for {
		select {
		case <-p.wake:
			if later == nil {
				later = time.After(announceDelay)
			}
		case <-later:
			later = nil
			p.announce()
		case <-p.greet:
			p.beat()
		case <-beat.C:
			p.beat()
			p.forgetSilent()
		case <-p.ctx.Done():
			return
		}
	}
}

// announce announces what has changed, and asks for what was missed.
func (p *Peers) announce() {
	p.mu.Lock()
	dirty, resend, wanted := p.mu.dirty, p.mu.resend, p.mu.wanted
	p.mu.dirty, p.mu.resend, p.mu.wanted = map[string]struct{}{}, 0, map[*node]uint64{}
	p.mu.Unlock()
	w := p.writer(p.header(kindCounts))
	var ended []string
	for channel := range dirty {
		count := uint32(p.config.Count(channel))
		switch _, changed := p.table.set(p.self, channel, count); {
		case changed && count == 0:
			ended = append(ended, channel)
		case changed:
			w.add(channel, count)
		}
	}
	for _, channel := range ended {
		w.add(channel, 0)
	}
	w.flush()
	for i := range p.table {
		if resend&(1<<i) != 0 {
			p.announceBucket(i)
		}
	}
	for n, mask := range wanted {
		p.publish(p.topicOf(n.name), appendResend(mask))
	}
}

// announceBucket announces everything of this node in a bucket.
func (p *Peers) announceBucket(i int) {
	w := p.writer(append(p.header(kindBucket), byte(i)))
	w.always = true // also if there is nothing
	p.table[i].all(func(channel string, index uint16, count uint32) {
		if index == p.self.index {
			w.collect(channel, count)
		}
	})
	w.flush()
}

func (p *Peers) beat() { p.publish(p.config.Topic, p.table.appendSums(p.header(kindBeat), p.self)) }

// publish sends a message that may be lost.
func (p *Peers) publish(to string, data []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	if err := p.config.Bus.Publish(ctx, to, data); err != nil {
		p.config.Logger.Debug("the other nodes are not told of connections", "error", err)
	}
}

// forgetSilent drops the counts of nodes that have been silent for long.
func (p *Peers) forgetSilent() {
	p.receiving.Lock()
	defer p.receiving.Unlock()
	for _, n := range (*p.nodes.Load())[1:] {
		if heard := n.heard.Load(); heard != 0 && p.now()-heard >= int64(p.config.DropAfter) {
			p.dropLocked(n, false)
		}
	}
}

// dropLocked drops the counts of a node.
func (p *Peers) dropLocked(n *node, lost bool) {
	n.heard.Store(0)
	n.run = run{}
	for i := range p.table {
		p.replaceLocked(n, i, nil, lost)
	}
}

// replaceLocked makes the counts of a node in a bucket those that are given.
func (p *Peers) replaceLocked(n *node, bucket int, counts map[string]uint32, lost bool) {
	ended, begun := p.table.replace(n, bucket, counts)
	if p.config.Changed == nil {
		return
	}
	for _, name := range begun {
		p.config.Changed(name, true, false)
	}
	for _, name := range ended {
		p.config.Changed(name, false, lost)
	}
}

// setLocked sets a count of a node.
func (p *Peers) setLocked(n *node, name string, count uint32) {
	before, changed := p.table.set(n, name, count)
	if changed && count == 0 {
		p.left.add(name, n, time.Now())
	}
	if changed && (before == 0) != (count == 0) && p.config.Changed != nil {
		p.config.Changed(name, count > 0, false)
	}
}

// maxNodes is the most nodes that are known. More can only be a mistake.
const maxNodes = 4096

// nodeLocked returns a node that is heard, which it adds if it is a new one. Nil means that
// there are too many.
func (p *Peers) nodeLocked(name string) *node {
	all := *p.nodes.Load()
	if i := slices.IndexFunc(all, func(n *node) bool { return n.name == name }); i >= 0 {
		return all[i]
	}
	if len(all) >= maxNodes {
		return nil
	}
	n := &node{name: name, index: uint16(len(all))}
	all = append(slices.Clip(all), n)
	p.nodes.Store(&all)
	return n
}
