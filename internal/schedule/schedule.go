// Package schedule runs the timers of channels (engine.Timer), and pushes messages at their
// time. A push that is scheduled is a timer, and its message is appended with the entry that
// removes the timer. So it is pushed once, by whichever node of a cluster comes first, and
// nothing but the engine knows what is scheduled. What the timers of escalations are for is not
// known here.
package schedule

import (
	"context"
	"errors"
	"hash/crc32"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// Config is the configuration of a Schedule.
type Config struct {
	Log        engine.Log // keeps the timers, and the durable channels
	Memory     engine.Log // keeps the memory-only channels
	MemoryOnly func(channel string) bool
	Limits     func(channel string) engine.Limits
	Now        func() time.Time
	Ready      func() error // an error if the log takes no entries now
	// Nodes returns the nodes of the cluster that are there, in an order that is the same on
	// all of them, and the index of this one. nil: there are no others.
	Nodes func() (all []string, self int)
	// Steps is called with timers of the kind engine.TimerStep that are due. It moves or
	// removes them; what is not, it is called with again.
	Steps  func(ctx context.Context, timers []engine.Timer, now int64) error
	Logger *slog.Logger
}

// Schedule runs what is due. All methods are safe for concurrent use.
type Schedule struct {
	config Config
	cancel context.CancelFunc
	done   chan struct{}
	woken  chan struct{} // cap 1

	pushed, expired atomic.Uint64
	failing         bool // owned by run: the last attempt failed
}

const (
	// lookEvery is the longest time between two looks for what is due. Other nodes may have
	// scheduled something meanwhile.
	lookEvery = 500 * time.Millisecond
	// pageSize is how many timers are run together, and pushes made with one append.
	pageSize = 512
	// maxOthers is how many timers of other nodes a node runs together. When all nodes are
	// late, most of its time is for its own, which nobody else runs meanwhile.
	maxOthers = 64
	// stepAside is how much later each further node runs what one node is to run.
	stepAside = 500 * time.Millisecond
)

// New starts running what is due. Close ends it.
func New(c Config) *Schedule {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Schedule{config: c, cancel: cancel, done: make(chan struct{}), woken: make(chan struct{}, 1)}
	go s.run(ctx)
	return s
}

// Close waits for an append that is under way.
func (s *Schedule) Close() {
	s.cancel()
	<-s.done
}

// Stats returns how many pushes were made, and how many were not because their time to live
// had ended.
func (s *Schedule) Stats() (pushed, expired uint64) { return s.pushed.Load(), s.expired.Load() }

// Wake is called after something was scheduled.
func (s *Schedule) Wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

func (s *Schedule) run(ctx context.Context) {
	defer close(s.done)
	timer := time.NewTimer(s.look(ctx))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.woken:
		case <-ctx.Done():
			return
		}
		timer.Reset(s.look(ctx))
	}
}

// look runs what is due, and returns when to look again.
func (s *Schedule) look(ctx context.Context) time.Duration {
	if s.config.Ready() != nil {
		return lookEvery
	}
	for {
		next, err := s.runPage(ctx)
		switch {
		case err != nil && ctx.Err() == nil && !s.failing:
			s.config.Logger.Warn("scheduled messages and escalations wait at the moment", "error", err)
		case err == nil && s.failing:
			s.config.Logger.Info("scheduled messages and escalations go on")
		}
		if s.failing = err != nil; s.failing {
			return lookEvery
		}
		if wait := time.Duration(min(next-s.config.Now().UnixMilli(), lookEvery.Milliseconds())) * time.Millisecond; wait > 0 {
			return wait
		}
	}
}

// runPage runs some of what is due, and returns when there may be more to do.
func (s *Schedule) runPage(ctx context.Context) (next int64, err error) {
	now := s.config.Now().UnixMilli()
	timers, next, err := s.config.Log.DueTimers(ctx, now, pageSize)
	if err != nil {
		return 0, err
	}
	full := len(timers) == pageSize
	own := s.own(timers, now)
	switch left := len(own) < len(timers); {
	case left && !full: // to those of other nodes, should they not run them
		next = max(next, now+stepAside.Milliseconds()/2)
	case left && len(own) == 0: // there may be own ones after those of other nodes
		next = max(next, now+stepAside.Milliseconds()/10)
	}
	if len(own) == 0 {
		return next, nil
	}
	pushes, steps := split(own)
	if len(pushes) > 0 {
		err = s.push(ctx, pushes, now)
	}
	if len(steps) > 0 && err == nil {
		err = s.config.Steps(ctx, steps, now)
	}
	return next, err
}

// split divides timers by what they are for.
func split(timers []engine.Timer) (pushes, steps []engine.Timer) {
	for _, t := range timers {
		if t.Kind == engine.TimerStep {
			steps = append(steps, t)
		} else {
			pushes = append(pushes, t)
		}
	}
	return pushes, steps
}

// own returns the timers that this node is to run by now. Each channel has a node that
// comes first, so that nodes do not all do the same; the others follow if it does not.
func (s *Schedule) own(timers []engine.Timer, now int64) []engine.Timer {
	if s.config.Nodes == nil {
		return timers
	}
	all, self := s.config.Nodes()
	others := 0
	return slices.DeleteFunc(timers, func(t engine.Timer) bool {
		first := int(crc32.ChecksumIEEE([]byte(t.Channel)) % uint32(len(all)))
		rank := (self - first + len(all)) % len(all)
		if now < t.Due+int64(rank)*stepAside.Milliseconds() {
			return true
		}
		if rank > 0 {
			others++
		}
		return rank > 0 && others > maxOthers
	})
}

// push appends the messages of timers, and removes the timers.
func (s *Schedule) push(ctx context.Context, timers []engine.Timer, now int64) error {
	entries, memory := make([]engine.Entry, len(timers)), []engine.Entry(nil)
	for i := range timers {
		t := &timers[i]
		entries[i] = removal(t)
		in, err := s.entry(t, now)
		switch {
		case err != nil: // it could never be pushed
			s.config.Logger.Error("a scheduled message cannot be read, and is removed", "channel", t.Channel, "id", t.ID, "error", err)
		case in == nil:
			s.expired.Add(1)
		case s.config.MemoryOnly(t.Channel):
			memory = append(memory, *in)
		default:
			entries[i] = *in
			entries[i].Ends = t
		}
	}
	// The memory comes first: if the timers remain, their messages have no effect again.
	if len(memory) > 0 {
		if _, err := s.append(ctx, s.config.Memory, memory); err != nil {
			return err
		}
	}
	_, err := s.append(ctx, s.config.Log, entries)
	return err
}

// removal is the entry that removes a timer and does nothing else.
func removal(t *engine.Timer) engine.Entry {
	return engine.Entry{Channel: t.Channel, Ends: t, Bare: true}
}

// append appends entries and returns how many had an effect. Those whose timer is not there any
// more have none: another node was first, or it was canceled or pushed meanwhile.
func (s *Schedule) append(ctx context.Context, log engine.Log, entries []engine.Entry) (n int, err error) {
	results, err := log.Append(ctx, entries)
	for i, r := range results {
		switch {
		case r.Err == nil:
			n++
			if !entries[i].Bare && !r.Duplicate {
				s.pushed.Add(1)
			}
		case !errors.Is(r.Err, engine.ErrNotFound):
			err = errors.Join(err, r.Err)
		}
	}
	return n, err
}

// entry makes the entry of a message; nil if its time to live has ended.
func (s *Schedule) entry(t *engine.Timer, now int64) (*engine.Entry, error) {
	m, data, err := decode(t.Data)
	if err != nil {
		return nil, err
	}
	in := &engine.Entry{
		Channel: t.Channel, ID: t.ID, Idempotent: true, Key: m.Key, ContentType: m.ContentType, Data: data, Trace: string(m.Trace),
		Limits: s.config.Limits(t.Channel),
	}
	if m.Expires != 0 {
		if in.TTL = time.Duration(m.Expires-now) * time.Millisecond; in.TTL <= 0 {
			return nil, nil
		}
	}
	if m.Steps != nil {
		in.Sets = &engine.Timer{Kind: engine.TimerStep, Due: now + m.Steps.After, Data: m.Steps.Data}
	}
	return in, nil
}
