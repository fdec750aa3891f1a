package events

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/names"
)

// A user is online while the user's inbox has connections, on whatever node: user.online
// and channel.occupied are the same thing, as are their opposites.
//
// Two entries that say the opposite about a channel have IDs that forget each other
// (engine.Entry.Forgets). So they alternate in the log, also if two nodes append the same
// one at the same time, or one of them did not know what the other has appended. With each
// goes an entry in the channel occupied, in the same append; what is in there after a
// crash is what the log has said last.
//
// A node says that a channel is occupied when it has a connection in it. When the last
// one of a node has left, the node says that the channel is vacated, after the grace. The
// node that leads does that for nodes which died. Each node follows the log: if it says
// that a channel is vacated which has connections here, it is occupied again.
type occupancyState struct {
	r     *Recorder
	users bool // inboxes are tracked
	other bool // other channels are

	// known are the channels that are occupied, as the log says up to position.
	known    map[string]struct{}
	position uint64
	advanced chan struct{} // nil unless there are other nodes
	log      *feed.Feed

	// leaving are the channels that had no connections, and since when they are due.
	// dues has them in order; an entry that is not in leaving, or with another time, is
	// void.
	leaving map[string]time.Time
	dues    []due

	heard []string // the nodes at the last sweep
	swept time.Time
}

type due struct {
	channel string
	at      time.Time
}

func (o *occupancyState) init(r *Recorder) {
	o.r = r
	o.users = r.wants.any(UserOnline, UserOffline)
	o.other = r.wants.any(ChannelOccupied, ChannelVacated)
	o.known, o.leaving = map[string]struct{}{}, map[string]time.Time{}
}

// tracked reports whether the occupancy of a channel is written. It is safe for concurrent
// use.
func (o *occupancyState) tracked(channel string) bool {
	if _, inbox := names.InboxUser(channel); inbox {
		return o.users
	}
	if !o.other || channel == names.All || names.IsReserved(channel) {
		return false
	}
	wants := o.r.wants
	return wants.match(ChannelOccupied, channel) || wants.match(ChannelVacated, channel)
}

// load reads which channels were occupied when the server stopped. False means that the
// Recorder was closed.
func (o *occupancyState) load() bool {
	if !o.r.tracks {
		return true
	}
	failed := false
	for {
		err := o.tryLoad()
		if err == nil {
			return true
		}
		if !failed {
			o.r.config.Logger.Warn("events cannot be read, and wait", "error", err)
			failed = true
		}
		select {
		case <-time.After(retryEvery):
		case <-o.r.stop:
			return false
		}
	}
}

// pageRecords and pageBytes limit what is read at a time.
const (
	pageRecords = 1000
	pageBytes   = 1 << 20
)

func (o *occupancyState) tryLoad() error {
	ctx, c := context.Background(), &o.r.config
	bounds, err := c.Log.Bounds(ctx, Channel)
	if err != nil {
		return err
	}
	if c.Elsewhere != nil && o.log == nil {
		if o.log, err = c.Feeds.Acquire(Channel); err != nil {
			return err
		}
		o.advanced = make(chan struct{}, 1)
		o.log.Listen(o.advanced)
	}
	for after := uint64(0); ; {
		page, err := c.Log.Read(ctx, occupied, after, pageRecords, pageBytes)
		if err != nil {
			return err
		}
		for _, rec := range page.Records {
			if rec.Revokes == 0 && rec.Expires == 0 {
				o.known[rec.Key] = struct{}{}
			}
		}
		if len(page.Records) == 0 || page.Next == after {
			break
		}
		after = page.Next
	}
	o.position = bounds.Head // what comes after it is followed, also if it was in the page
	return nil
}

func (o *occupancyState) close() {
	if o.log != nil {
		o.log.Unlisten(o.advanced)
		o.r.config.Feeds.Unref(o.log)
	}
}

// here is the number of connections on this node.
func (o *occupancyState) here(channel string) int { return o.r.config.Feeds.Connections(channel) }

// connections is that on all nodes.
func (o *occupancyState) connections(channel string) int {
	n := o.here(channel)
	if f := o.r.config.Elsewhere; f != nil {
		n += f(channel)
	}
	return n
}

// follow reads what the log says since, including what this node has appended. On a single
// server it has nothing else.
func (o *occupancyState) follow() {
	if o.log == nil {
		return
	}
	vacated := map[string]struct{}{}
	for o.position < o.log.Head() {
		page, err := o.r.config.Log.Read(context.Background(), Channel, o.position, pageRecords, pageBytes)
		if err != nil {
			o.r.config.Logger.Error("events cannot be read", "error", err)
			break
		}
		for _, rec := range page.Records {
			e, err := decode(rec)
			if err != nil {
				continue
			}
			switch channel, on, ok := e.about(); {
			case !ok:
			case on:
				o.known[channel] = struct{}{}
			default:
				delete(o.known, channel)
				vacated[channel] = struct{}{}
			}
		}
		if page.Next <= o.position {
			break
		}
		o.position = page.Next
	}
	for channel := range vacated {
		if _, ok := o.known[channel]; !ok && o.here(channel) > 0 && o.tracked(channel) {
			o.r.add(item{kind: channelEntered, channel: channel})
		}
	}
}

// take adds what an item makes of the log.
func (o *occupancyState) take(b *batch, it *item) {
	switch it.kind {
	case sessionConnected:
		if o.users {
			// If two sessions connect at the same time, the second one may be queued before
			// it is queued that the first one has entered the inbox.
			o.set(b, names.Inbox(it.user), true, it.at)
		}
		b.session(it)
	case sessionDisconnected:
		b.session(it)
	case channelEntered:
		o.set(b, it.channel, true, it.at)
		// One that has left meanwhile has an item of its own.
		delete(o.leaving, it.channel)
	case channelLeft:
		if o.here(it.channel) == 0 {
			o.leave(it.channel)
		}
	}
}

// set adds the event that a channel is occupied or not, if it is one.
func (o *occupancyState) set(b *batch, channel string, on bool, at int64) {
	if _, was := o.known[channel]; was == on {
		return
	}
	s := occupancy(channel, on)
	s.ID, s.Time = names.NewMessageID(), at
	this, other := "on:"+channel, "off:"+channel
	state := engine.Entry{Channel: occupied, ID: s.ID, Key: channel}
	if on {
		o.known[channel] = struct{}{}
	} else {
		delete(o.known, channel)
		this, other = other, this
		state.TTL = time.Millisecond // there is nothing to know of it any more
	}
	event := b.r.entry(s, this)
	event.Idempotent, event.Forgets = true, other
	b.put(event, state)
}

// minSharedGrace is the shortest grace if there are other nodes: they must have announced
// that their connections have left, too.
const minSharedGrace = 500 * time.Millisecond

// leave begins the grace of a channel.
func (o *occupancyState) leave(channel string) {
	if _, ok := o.known[channel]; !ok {
		return
	}
	grace := o.r.config.Grace
	if o.log != nil {
		grace = max(grace, minSharedGrace)
	}
	at := time.Now().Add(grace)
	o.leaving[channel] = at
	o.dues = append(o.dues, due{channel, at})
}

// expire adds the events of channels whose grace has ended, at most maxBatch.
func (o *occupancyState) expire(b *batch) {
	if !o.r.tracks {
		return
	}
	o.sweep()
	now := time.Now()
	for n := 0; len(o.dues) > 0 && n < maxBatch && !o.dues[0].at.After(now); {
		d := o.dues[0]
		if o.dues = o.dues[1:]; len(o.dues) == 0 {
			o.dues = nil
		}
		if at, ok := o.leaving[d.channel]; !ok || !at.Equal(d.at) {
			continue
		}
		delete(o.leaving, d.channel)
		if o.connections(d.channel) == 0 {
			o.set(b, d.channel, false, o.r.config.Now().UnixMilli())
			n++
		}
	}
}

// sweepEvery is the time between two looks for channels whose connections are gone without
// a node that says so. There is another one when the nodes change.
const sweepEvery = time.Minute

// sweep begins the grace of all channels without connections: after a start, and on the
// node that leads, of those of nodes that died.
func (o *occupancyState) sweep() {
	c := &o.r.config
	if c.Leading == nil {
		if o.swept.IsZero() {
			o.sweepAll()
		}
		return
	}
	if !c.Leading() {
		o.swept = time.Time{}
		return
	}
	heard := c.Nodes()
	if !o.swept.IsZero() && time.Since(o.swept) < sweepEvery && slices.Equal(o.heard, heard) {
		return
	}
	o.heard = heard
	o.sweepAll()
}

func (o *occupancyState) sweepAll() {
	o.swept = time.Now()
	for channel := range o.known {
		if _, ok := o.leaving[channel]; !ok && o.connections(channel) == 0 {
			o.leave(channel)
		}
	}
}

// reconcile makes the log say what is so, after some of what happened was not queued.
func (o *occupancyState) reconcile(b *batch) {
	now := o.r.config.Now().UnixMilli()
	for _, f := range o.r.config.Feeds.All() {
		if f.Connections() > 0 && o.tracked(f.Channel()) {
			o.set(b, f.Channel(), true, now)
		}
	}
	o.sweepAll()
}

// lookEvery is the time between two looks at whether this node leads, and the nodes.
const lookEvery = time.Second

// untilDue is the time until there is something to do without anything happening.
func (o *occupancyState) untilDue() time.Duration {
	wait := time.Duration(math.MaxInt64)
	if o.r.tracks && o.r.config.Leading != nil {
		wait = lookEvery
	}
	if len(o.dues) > 0 {
		wait = min(wait, max(0, time.Until(o.dues[0].at)))
	}
	return wait
}
