package events

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/feed"
	"github.com/wirepost/wirepost/internal/names"
)

// Target is what a reader delivers events to.
type Target struct {
	Name   string // of the stored cursor; it must not change
	Label  string // for people
	Filter Filter
	// Deliver delivers events, in order, and returns how many were delivered, which is
	// all of them unless there is an error.
	Deliver func(ctx context.Context, list []Event) (int, error)
}

// ReaderStats describes a reader.
type ReaderStats struct {
	Target    string
	Seq       uint64 // delivered up to here
	Delivered uint64 // events
	Retried   uint64 // deliveries that failed
	Gaps      uint64
	// Waiting is when the oldest event happened that was tried and is not delivered, in ms
	// since the epoch; 0: none.
	Waiting int64
	Error   string        // of the last attempt; "": it succeeded
	Latency time.Duration // of the last attempt
	Active  bool          // this node delivers
}

// readersUser is the user whose devices are the readers: their cursors are stored like
// those of devices. No user has a name with a space.
const readersUser = names.Reserved + " readers"

const (
	// deliverAtOnce is how many events a Target gets at a time.
	deliverAtOnce = 100
	// firstRetry is the pause after the first attempt that failed. It doubles up to
	// lastRetry. A random part of up to a half is taken off.
	firstRetry = time.Second
	lastRetry  = time.Minute
	// saveEvery is the time between two saves of a cursor that passes events of others.
	saveEvery = time.Second
)

// reader delivers the events of the log to a target. Only the goroutine of run uses it,
// except for stats.
type reader struct {
	Target
	config *Config

	at      uint64 // everything up to here is delivered, or not selected
	saved   uint64
	lastAt  time.Time   // of the last save
	failing bool        // the last save failed
	page    engine.Page // what was read, from at on

	mu    sync.Mutex
	stats ReaderStats // guarded by mu
}

// Stats describes the reader.
func (d *reader) Stats() ReaderStats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

func (d *reader) update(f func(s *ReaderStats)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.stats)
}

// cursors returns the stored cursors of all readers.
func cursors(ctx context.Context, users engine.Users) (map[string]uint64, error) {
	// In a cluster, this waits for what other nodes have saved.
	if err := users.Save(ctx, []engine.Update{{User: readersUser}}, true); err != nil {
		return nil, err
	}
	return load(ctx, users)
}

// load returns the stored cursors as far as this node knows them.
func load(ctx context.Context, users engine.Users) (map[string]uint64, error) {
	stored, err := users.Load(ctx, readersUser)
	if err != nil {
		return nil, err
	}
	all := map[string]uint64{}
	for _, device := range stored.Devices {
		for _, c := range device.Cursors {
			if c.Channel == Channel {
				all[device.Name] = c.Seq
			}
		}
	}
	return all, nil
}

func saveCursor(ctx context.Context, c *Config, name string, seq uint64, sync bool) error {
	return c.Users.Save(ctx, []engine.Update{{User: readersUser, Devices: []engine.Device{
		{Name: name, Used: c.Now().UnixMilli(), Cursors: []engine.Cursor{{Channel: Channel, Seq: seq}}},
	}}}, sync)
}

// begin stores where readers begin that have no cursor yet: at the head.
func begin(ctx context.Context, c *Config, all []*reader) error {
	// The head comes first: what is written after another node has stored the cursor is
	// not skipped then.
	bounds, err := c.Log.Bounds(ctx, Channel)
	if err != nil {
		return err
	}
	known, err := cursors(ctx, c.Users)
	if err != nil {
		return err
	}
	for _, d := range all {
		if _, ok := known[d.Name]; ok {
			continue
		}
		if err := saveCursor(ctx, c, d.Name, bounds.Head, true); err != nil {
			return err
		}
	}
	return nil
}

// run delivers until ctx is done.
func (d *reader) run(ctx context.Context) {
	d.update(func(s *ReaderStats) { s.Active = true })
	defer d.update(func(s *ReaderStats) { s.Active, s.Waiting, s.Error = false, 0, "" })
	log, advanced, err := d.open(ctx)
	if err != nil {
		return
	}
	defer d.config.Feeds.Unref(log)
	defer log.Unlisten(advanced)
	for ctx.Err() == nil {
		events, through, err := d.next(ctx)
		switch {
		case err != nil:
			d.config.Logger.Error("events cannot be read", "target", d.Label, "error", err)
			rest(ctx, firstRetry)
		case len(events) > 0:
			d.deliver(ctx, events, through)
		case through > d.at:
			d.advance(ctx, through, time.Since(d.lastAt) >= saveEvery)
		default:
			select {
			case <-advanced:
			case <-ctx.Done():
			}
		}
	}
	d.leave()
}

// open waits until the log can be read.
func (d *reader) open(ctx context.Context) (log *feed.Feed, advanced chan struct{}, err error) {
	for ctx.Err() == nil {
		if log, err = d.config.Feeds.Acquire(Channel); err == nil {
			break
		}
		rest(ctx, retryEvery)
	}
	for ctx.Err() == nil {
		known, err := cursors(ctx, d.config.Users)
		if err == nil {
			d.at, d.saved, d.page = known[d.Name], known[d.Name], engine.Page{}
			d.update(func(s *ReaderStats) { s.Seq = d.at })
			advanced = make(chan struct{}, 1)
			log.Listen(advanced)
			return log, advanced, nil
		}
		rest(ctx, retryEvery)
	}
	if log != nil {
		d.config.Feeds.Unref(log)
	}
	return nil, nil, context.Cause(ctx)
}

// leave stores the cursor for the node that delivers next.
func (d *reader) leave() {
	if d.saved == d.at {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	d.save(ctx)
}

// next returns the next events for the target. They may be none although there are more:
// through is how far it has read.
func (d *reader) next(ctx context.Context) (events []Event, through uint64, err error) {
	if err := d.read(ctx); err != nil {
		return nil, 0, err
	}
	p := &d.page
	through = d.at
	for len(p.Records) > 0 && len(events) < deliverAtOnce {
		rec := p.Records[0]
		if rec.Prev > through {
			events, through = append(events, gapBetween(through, rec.Seq, d.config.Now())), rec.Seq-1
			continue
		}
		p.Records, through = p.Records[1:], rec.Seq
		if rec.Revokes != 0 {
			continue
		}
		e, err := decode(rec)
		if err != nil {
			d.config.Logger.Error("an event is skipped", "error", err)
			continue
		}
		if d.Filter.matches(e.Type, e.Data.Channel) {
			events = append(events, e)
		}
	}
	if p.Lost && through == d.at && len(p.Records) == 0 && p.Next > through {
		// Everything is missing. The target is sent this now, and not with the next event,
		// because the cursor moves.
		events = append(events, gapBetween(through, p.Next+1, d.config.Now()))
	}
	if len(p.Records) == 0 {
		through = max(through, p.Next)
		d.page = engine.Page{} // an idle reader holds no records
	}
	return events, through, nil
}

// read reads a page, unless there is still something in the last one.
func (d *reader) read(ctx context.Context) error {
	if d.config.Elsewhere != nil {
		if err := d.overtaken(ctx); err != nil {
			return err
		}
	}
	if len(d.page.Records) > 0 {
		return nil
	}
	page, err := d.config.Log.Read(ctx, Channel, d.at, pageRecords, pageBytes)
	if err != nil {
		return err
	}
	d.page = page
	return nil
}

// overtaken moves the cursor to where another node has stored it: after a pause of this
// node, another one has delivered meanwhile.
func (d *reader) overtaken(ctx context.Context) error {
	stored, err := load(ctx, d.config.Users)
	if err != nil {
		return err
	}
	if seq := stored[d.Name]; seq > d.at {
		d.at, d.saved, d.page = seq, seq, engine.Page{}
		d.update(func(s *ReaderStats) { s.Seq = seq })
	}
	return nil
}

// gapBetween is the event that those after a sequence and before another one are missing,
// because retention has removed them.
func gapBetween(after, resumed uint64, now time.Time) Event {
	return Event{
		Seq: resumed - 1, ID: fmt.Sprintf("gap-%d-%d", after, resumed), Type: Gap, Time: now.UnixMilli(),
		Data: Data{After: after, ResumedAt: resumed, Reason: "retention"},
	}
}

// deliver delivers events until that succeeds, ctx is done, or retention has removed them.
func (d *reader) deliver(ctx context.Context, events []Event, through uint64) {
	d.update(func(s *ReaderStats) { s.Waiting = oldest(events) })
	for pause := firstRetry; ; pause = min(2*pause, lastRetry) {
		begun := time.Now()
		n, err := d.Deliver(ctx, events)
		d.update(func(s *ReaderStats) { s.Latency = time.Since(begun) })
		for i := range events[:n] {
			if events[i].Type == Gap && events[i].Data.ResumedAt > 0 {
				d.update(func(s *ReaderStats) { s.Gaps++ })
			}
		}
		d.update(func(s *ReaderStats) { s.Delivered += uint64(n) })
		if err == nil {
			d.succeeded()
			d.advance(ctx, through, true)
			return
		}
		if n > 0 {
			d.advance(ctx, events[n-1].Seq, true)
			events = events[n:]
			pause = firstRetry
		}
		if ctx.Err() != nil {
			return
		}
		d.failed(err, oldest(events))
		rest(ctx, pause-rand.N(pause/2))
		if ctx.Err() != nil {
			return
		}
		if d.expired(ctx, events) {
			d.page = engine.Page{}
			return
		}
	}
}

// oldest is when the oldest of events happened. The first one may be a gap, which is new.
func oldest(events []Event) int64 {
	at := events[0].Time
	for i := range events {
		at = min(at, events[i].Time)
	}
	return at
}

func (d *reader) failed(err error, waiting int64) {
	if errors.Is(err, context.Canceled) {
		return
	}
	first := d.Stats().Error == ""
	d.update(func(s *ReaderStats) {
		s.Retried++
		s.Error, s.Waiting = err.Error(), waiting
	})
	if first {
		d.config.Logger.Warn("events are not delivered, and are tried again", "target", d.Label, "error", err)
	}
}

func (d *reader) succeeded() {
	if d.Stats().Error != "" {
		d.config.Logger.Info("events are delivered again", "target", d.Label)
	}
	d.update(func(s *ReaderStats) { s.Waiting, s.Error = 0, "" })
}

// expired reports whether retention has removed the events. Then the target is sent a gap.
func (d *reader) expired(ctx context.Context, events []Event) bool {
	bounds, err := d.config.Log.Bounds(ctx, Channel)
	return err == nil && bounds.Lost >= events[len(events)-1].Seq
}

// advance moves the cursor, and stores it. If that fails, a later save makes up for it: until
// then a crash makes events be delivered again. In a cluster nothing is delivered before it
// is stored: another node may deliver already, from the stored cursor on.
func (d *reader) advance(ctx context.Context, through uint64, save bool) {
	d.at = max(d.at, through)
	d.update(func(s *ReaderStats) { s.Seq = d.at })
	for save && !d.save(ctx) && d.config.Elsewhere != nil && ctx.Err() == nil {
		rest(ctx, retryEvery)
	}
}

// save stores the cursor, and reports whether it is stored.
func (d *reader) save(ctx context.Context) bool {
	d.lastAt = time.Now()
	err := saveCursor(ctx, d.config, d.Name, d.at, false)
	if err != nil && ctx.Err() == nil && !d.failing {
		d.config.Logger.Warn("the cursor of a reader of events is not stored", "target", d.Label, "error", err)
	}
	if d.failing = err != nil; !d.failing {
		d.saved = d.at
	}
	return !d.failing
}

// rest waits for d, or until ctx is done.
func rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
