package events

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/user"
)

// Config is the configuration of a Recorder.
type Config struct {
	Log     engine.Log // of durable channels
	Users   engine.Users
	Feeds   *feed.Feeds
	Filters []Filter // select what is written
	// Grace is how long a channel may be without connections before that is an event.
	Grace     time.Duration
	Retention time.Duration
	// Elsewhere is the number of connections in a channel on other nodes, and Nodes lists
	// the nodes that are heard. Nil if there are no other nodes.
	Elsewhere func(channel string) int
	Nodes     func() []string
	// Leading reports whether this node looks after the connections of nodes that died.
	Leading func() bool
	Now     func() time.Time
	Logger  *slog.Logger
}

const (
	// maxBatch is how many items are appended together.
	maxBatch = 512
	// retryEvery is the pause after an append that failed.
	retryEvery = 250 * time.Millisecond
)

// Recorder appends what happens to the log of events. It is safe for concurrent use.
type Recorder struct {
	config Config
	wants  filters
	edges  bool // sessions are written
	tracks bool // the occupancy of some channels is written

	stop    chan struct{} // closed by Close
	stopped chan struct{}
	started chan struct{} // closed when the log may be written to: readers have their cursors
	once    sync.Once

	queue  queue
	counts struct {
		sync.Mutex
		Written, Lost uint64
	}

	o occupancyState // owned by run
}

// New makes a Recorder. Start starts it.
func New(c Config) *Recorder {
	r := &Recorder{
		config: c, wants: c.Filters, queue: queue{wake: make(chan struct{}, 1)}, stop: make(chan struct{}), stopped: make(chan struct{}),
		started: make(chan struct{}),
	}
	r.edges = r.wants.any(SessionConnected, SessionDisconnected)
	r.tracks = r.wants.any(UserOnline, UserOffline, ChannelOccupied, ChannelVacated)
	r.o.init(r)
	return r
}

// Start begins to write.
func (r *Recorder) Start() {
	r.once.Do(func() {
		close(r.started)
		go r.run()
	})
}

// Wants reports whether events of these types may be written.
func (r *Recorder) Wants(list ...Type) bool { return r.wants.any(list...) }

// Session identifies a session.
type Session struct {
	Connection   names.ConnectionID
	User, Device string
	Since        int64 // ms since the epoch
}

// Connected records that a session has begun. It does not wait.
func (r *Recorder) Connected(s Session) {
	if r.edges {
		r.add(item{kind: sessionConnected, user: s.User, device: s.Device, connection: s.Connection, since: s.Since})
	}
}

// Disconnected records that a session has ended. It does not wait.
func (r *Recorder) Disconnected(s Session, code int, reason string) {
	if r.edges {
		r.add(item{
			kind: sessionDisconnected, user: s.User, device: s.Device, connection: s.Connection, since: s.Since,
			code: code, reason: reason,
		})
	}
}

// Counted records a change of the number of connections in a channel on this node. It does
// not wait.
func (r *Recorder) Counted(channel string, before, after int) {
	if !r.tracks || (before == 0) == (after == 0) || !r.o.tracked(channel) {
		return
	}
	kind := channelEntered
	if after == 0 {
		kind = channelLeft
	}
	r.add(item{kind: kind, channel: channel})
}

func (r *Recorder) add(it item) {
	it.at = r.config.Now().UnixMilli()
	r.queue.add(it)
}

// Close appends what is queued, or gives up when ctx is done.
func (r *Recorder) Close(ctx context.Context) {
	close(r.stop)
	select {
	case <-r.started:
	default:
		return
	}
	select {
	case <-r.stopped:
	case <-ctx.Done():
	}
}

// Stats counts events.
func (r *Recorder) Stats() (written, lost uint64) {
	r.counts.Lock()
	defer r.counts.Unlock()
	return r.counts.Written, r.counts.Lost
}

func (r *Recorder) run() {
	defer close(r.stopped)
	if !r.o.load() {
		return
	}
	for {
		n := r.step()
		timer := time.NewTimer(r.o.untilDue())
		select {
		case <-r.queue.wake:
		case <-r.o.advanced:
		case <-timer.C:
		case <-r.stop:
			if n == 0 { // all that was queued is appended
				timer.Stop()
				r.o.close()
				return
			}
		}
		timer.Stop()
	}
}

// step appends some of what happened, and returns how much.
func (r *Recorder) step() int {
	r.o.follow()
	b := batch{r: r}
	items, after := r.queue.next(maxBatch)
	n := len(items)
	for i := range items {
		r.o.take(&b, &items[i])
	}
	if after.lost > 0 {
		b.gap(after.lost)
	}
	if after.missed {
		r.o.reconcile(&b)
	}
	r.o.expire(&b)
	r.append(&b)
	r.queue.done(items)
	return n
}

// append appends a batch, however long it takes, until the Recorder is closed.
func (r *Recorder) append(b *batch) {
	if len(b.entries) == 0 {
		return
	}
	failed := false
	for {
		results, err := r.config.Log.Append(context.Background(), b.entries)
		if err == nil {
			r.appended(b.entries, results)
			if failed {
				r.config.Logger.Info("events are written again")
			}
			return
		}
		if !failed {
			r.config.Logger.Warn("events cannot be written, and wait", "error", err)
			failed = true
		}
		select {
		case <-time.After(retryEvery):
		case <-r.stop:
			lost := slices.DeleteFunc(b.entries, func(e engine.Entry) bool { return e.Channel != Channel })
			r.lose(len(lost), "events are lost, because they could not be written before the server stopped")
			return
		}
	}
}

func (r *Recorder) appended(entries []engine.Entry, results []engine.Result) {
	r.counts.Lock()
	defer r.counts.Unlock()
	for i := range results {
		if entries[i].Channel != Channel {
			continue // what goes with an event
		}
		if results[i].Err != nil {
			r.config.Logger.Error("an event is not written", "error", results[i].Err)
			r.counts.Lost++
		} else if !results[i].Duplicate {
			r.counts.Written++
		}
	}
}

// lose counts and logs events that will never be written.
func (r *Recorder) lose(n int, why string) {
	r.config.Logger.Error(why, "events", n)
	r.counts.Lock()
	defer r.counts.Unlock()
	r.counts.Lost += uint64(n)
}

// batch is what is appended together.
type batch struct {
	r       *Recorder
	entries []engine.Entry
}

// add adds an event.
func (b *batch) add(s stored) { b.put(b.r.entry(s, names.NewMessageID())) }

// put adds entries that belong together. A batch that is full is appended first.
func (b *batch) put(entries ...engine.Entry) {
	if len(b.entries) >= maxBatch {
		b.r.append(b)
		b.entries = nil
	}
	b.entries = append(b.entries, entries...)
}

// entry makes the entry of an event.
func (r *Recorder) entry(s stored, id string) engine.Entry {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // it has only texts and numbers
	}
	return engine.Entry{
		Channel: Channel, ID: id, ContentType: "application/json", Data: data,
		Limits: engine.Limits{MaxAge: r.config.Retention},
	}
}

// gap adds the event that others are missing.
func (b *batch) gap(lost uint64) {
	b.r.lose(int(lost), "events are lost: more happened than could be written")
	b.add(stored{Type: Gap, Time: b.r.config.Now().UnixMilli(), Data: Data{Count: lost, Reason: "overload"}})
}

// session adds the event of a session.
func (b *batch) session(it *item) {
	s := stored{
		Type: SessionConnected, Time: it.at, User: it.user,
		Data: Data{Connection: it.connection.String(), Device: it.device},
	}
	if it.kind == sessionDisconnected {
		lasted := max(0, it.at-it.since)
		s.Type = SessionDisconnected
		s.Data.Code, s.Data.Reason, s.Data.DurationMS = it.code, it.reason, &lasted
	}
	if b.r.wants.match(s.Type, "") {
		b.add(s)
	}
}

// actionTypes are the types of the actions of users.
var actionTypes = [...]Type{
	user.ActionAcknowledged: MessageAcknowledged, user.ActionRead: MessageRead, user.ActionJoined: MembershipChanged, user.ActionLeft: MembershipChanged,
}

// Record appends actions of users. They are stored only after that, so none is missing in
// the log after a crash; one that is stored in a second attempt may be there twice, with
// the same ID.
func (r *Recorder) Record(ctx context.Context, actions []user.Action) error {
	var entries []engine.Entry
	now := r.config.Now().UnixMilli()
	for i := range actions {
		a := &actions[i]
		t := actionTypes[a.Kind]
		if !r.wants.match(t, a.Channel) {
			continue
		}
		s := stored{Type: t, Time: now, User: a.User, Data: Data{Channel: a.Channel, Device: a.Device, Seq: a.Seq}}
		id := actionID(a)
		if t == MembershipChanged {
			member := a.Kind == user.ActionJoined
			s.Data.Member, id = &member, names.NewMessageID()
		}
		entries = append(entries, r.entry(s, id))
	}
	if len(entries) == 0 {
		return nil
	}
	if err := r.await(ctx); err != nil {
		return err
	}
	results, err := r.config.Log.Append(ctx, entries)
	if err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	r.appended(entries, results)
	return nil
}

// await waits until the Recorder is started.
func (r *Recorder) await(ctx context.Context) error {
	select {
	case <-r.started:
		return nil
	default:
	}
	select {
	case <-r.started:
		return nil
	case <-r.stop:
		return fmt.Errorf("write events: %w", engine.ErrUnavailable)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// actionID is an ID that an acknowledgement or a read mark has each time that it is
// recorded.
func actionID(a *user.Action) string {
	return hashID("%d\x00%s\x00%s\x00%s\x00%d", a.Kind, a.User, a.Device, a.Channel, a.Seq)
}

// hashID makes an ID of what identifies an event.
func hashID(format string, args ...any) string {
	sum := sha256.Sum256(fmt.Appendf(nil, format, args...))
	return base32.HexEncoding.EncodeToString(sum[:10])
}
