package escalation

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/events"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/user"
)

// Config is the configuration of an Escalation.
type Config struct {
	Log     engine.Log
	Users   *user.Users
	Events  *events.Recorder // nil: no events are written
	WebPush WebPush          // nil: it is off
	MaxAge  func(channel string) time.Duration
	Now     func() time.Time
	Logger  *slog.Logger
}

// Escalation takes the steps that are due. All methods are safe for concurrent use.
//
// Before an outcome is stored, what it follows from is. An acknowledgement is saved before the
// step that it makes unnecessary is settled; an event has an ID of its own, so that it is not
// written again by whoever comes after a crash; and the step of a notification is first moved
// to the end of a lease. So whatever a crash interrupts is done again.
type Escalation struct {
	config Config
	ctx    context.Context // of what is sent; canceled by Close
	cancel context.CancelFunc
	slots  chan struct{} // of requests that are sent at the same time

	mu struct {
		sync.Mutex
		sync.WaitGroup // of sends; none begins when closed is set
		closed         bool
		sending        int
		counts         map[Count]uint64
	}
}

// Count names a counter: of the steps of a kind with an outcome.
type Count struct {
	Via     Via
	Outcome StepState
}

var errTurn = errors.New("the number of its next step is out of range")

// New makes an Escalation, which Close closes.
func New(c Config) *Escalation {
	e := &Escalation{config: c, slots: make(chan struct{}, maxRequests)}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.mu.counts = make(map[Count]uint64)
	for _, via := range []Via{ViaWebPush, ViaEvent} {
		for _, outcome := range []StepState{Sent, NotNeeded, NoEndpoint, Failed, Gone} {
			e.mu.counts[Count{via, outcome}] = 0
		}
	}
	return e
}

// Close cancels what is being sent, and waits for it.
func (e *Escalation) Close() {
	e.mu.Lock()
	e.mu.closed = true
	e.mu.Unlock()
	e.cancel()
	e.mu.Wait()
}

// Counts returns how many steps had which outcome on this node.
func (e *Escalation) Counts() map[Count]uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make(map[Count]uint64, len(e.mu.counts))
	for c, n := range e.mu.counts {
		all[c] = n
	}
	return all
}

// Run takes the steps of timers that are due.
func (e *Escalation) Run(ctx context.Context, timers []engine.Timer, now int64) error {
	turns := make([]*turn, 0, len(timers))
	users := make([]string, 0, len(timers))
	for i := range timers {
		t := e.begin(&timers[i])
		turns = append(turns, t)
		if t.state != nil {
			users = append(users, t.user)
		}
	}
	if err := e.config.Users.CatchUp(ctx, users...); err != nil {
		return err
	}
	var late []events.Unacknowledged
	for _, t := range turns {
		if t.state == nil {
			continue
		}
		err := e.decide(ctx, t, now)
		switch {
		case errors.Is(err, engine.ErrDamaged): // others must not wait for it
			e.config.Logger.Error("an escalation has to wait, because its message or user cannot be read", "channel", t.timer.Channel, "seq", t.seq, "error", err)
			t.due = now + damagedDelay.Milliseconds()
		case err != nil:
			return err
		case t.event:
			late = append(late, events.Unacknowledged{
				User: t.user, Channel: t.timer.Channel, Seq: t.seq, ID: t.record.ID, Step: t.step + 1,
			})
		}
	}
	if len(late) > 0 {
		if err := e.config.Events.Unacknowledged(ctx, late); err != nil {
			return err
		}
	}
	return e.store(ctx, turns)
}

// damagedDelay is how long an escalation waits whose message or user cannot be read.
const damagedDelay = time.Minute

// turn is what becomes of a timer that is due.
type turn struct {
	timer  *engine.Timer // with the message's sequence as its ID
	user   string
	seq    uint64
	state  *state         // nil: the timer is removed
	due    int64          // otherwise, when it is due again
	record *engine.Record // the message

	step    int  // the step whose turn it was
	event   bool // an event is written
	claimed bool // a notification is to be sent, before due
	counted []Count
}

// begin makes the turn of a timer. One that is over, or cannot be read, is removed.
func (e *Escalation) begin(timer *engine.Timer) *turn {
	t := &turn{timer: timer}
	s, err := decode(timer.Data)
	seq, badID := strconv.ParseUint(timer.ID, 10, 64)
	user, inbox := names.InboxUser(timer.Channel)
	t.user, t.seq = user, seq
	switch {
	case err != nil || badID != nil || !inbox:
		e.config.Logger.Error("an escalation cannot be read, and is removed", "channel", timer.Channel, "id", timer.ID, "error", err)
	case !s.over():
		t.state, t.step = s, s.Turn
	}
	return t
}

// decide decides what becomes of a timer whose message may still be there.
func (e *Escalation) decide(ctx context.Context, t *turn, now int64) (err error) {
	if t.record, err = e.message(ctx, t); err != nil {
		return err
	}
	if t.record == nil {
		t.count(Gone)
		t.state = nil
		return nil
	}
	p, err := e.progress(ctx, t)
	if err != nil {
		return err
	}
	step := t.state.current()
	switch {
	case p.stops(t.state.Until):
		t.state.stop(p, now)
	case step.Via == ViaEvent && e.config.Events.Selects(events.MessageUnacknowledged, t.timer.Channel):
		t.event = true
		t.state.settle(Sent, now)
	case step.Via == ViaEvent, e.config.WebPush == nil:
		t.state.settle(NoEndpoint, now)
	default:
		e.claim(t, now)
		return nil
	}
	t.settled(e.config.MaxAge(t.timer.Channel))
	return nil
}

// settled counts the steps that have an outcome now, and sets when the timer is due again.
func (t *turn) settled(maxAge time.Duration) {
	for _, step := range t.state.Steps[t.step:t.state.Turn] {
		t.counted = append(t.counted, Count{step.Via, step.State})
	}
	t.due = t.state.next(t.record, maxAge)
}

// count counts an outcome of all steps that are left.
func (t *turn) count(outcome StepState) {
	for _, step := range t.state.Steps[t.step:] {
		t.counted = append(t.counted, Count{step.Via, outcome})
	}
}

// message reads the message of a timer; nil if it is not live any more.
func (e *Escalation) message(ctx context.Context, t *turn) (*engine.Record, error) {
	page, err := e.config.Log.Read(ctx, t.timer.Channel, t.seq-1, 1, 1)
	if err != nil || len(page.Records) == 0 || page.Records[0].Seq != t.seq || page.Records[0].Revokes != 0 {
		return nil, err
	}
	return page.Records[0], nil
}

// progress is how far a user has come with a message.
type progress struct {
	devices []string // that have acknowledged it
	read    bool
}

func (p *progress) stops(u Until) bool { return p.read || u != UntilRead && len(p.devices) > 0 }

// progress returns how far the user has come. If the escalation stops because of it, it is
// durable no later than what is appended from now on.
func (e *Escalation) progress(ctx context.Context, t *turn) (*progress, error) {
	p := new(progress)
	err := e.config.Users.With(ctx, t.user, func(u *user.User) error {
		p.devices, p.read = u.Progress(t.timer.Channel, t.seq)
		if !p.stops(t.state.Until) {
			return nil
		}
		return e.config.Users.Save(ctx, u, false)
	})
	return p, err
}

// store stores what became of timers, and sends what was claimed. A timer that is not there
// any more was handled by another node.
func (e *Escalation) store(ctx context.Context, turns []*turn) error {
	entries := make([]engine.Entry, len(turns))
	for i, t := range turns {
		entries[i] = t.entry()
	}
	results, err := e.config.Log.Append(ctx, entries)
	if err != nil {
		return err
	}
	for i, r := range results {
		switch t := turns[i]; {
		case r.Err == nil && t.claimed:
			e.send(t)
		case r.Err == nil:
			e.count(t.counted)
		case !errors.Is(r.Err, engine.ErrNotFound):
			err = errors.Join(err, r.Err)
		}
	}
	return err
}

// entry moves or removes the timer.
func (t *turn) entry() engine.Entry {
	in := engine.Entry{Channel: t.timer.Channel, Bare: true, Ends: t.timer}
	if t.state != nil {
		in.Sets = &engine.Timer{Kind: engine.TimerStep, ID: t.timer.ID, Due: t.due, Data: t.state.encode()}
	}
	return in
}

func (e *Escalation) count(list []Count) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range list {
		e.mu.counts[c]++
	}
}
