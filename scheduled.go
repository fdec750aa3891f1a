package wirepost

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/escalation"
	"github.com/wirepost/wirepost/internal/names"
	"github.com/wirepost/wirepost/internal/schedule"
)

// MaxDelay is how far ahead a push can be scheduled.
const MaxDelay = 366 * 24 * time.Hour

// Scheduled is a push that is scheduled.
type Scheduled struct {
	To, ID string
	At     time.Time
}

// ScheduledQuery selects a page of the scheduled pushes.
type ScheduledQuery struct {
	To    string // a channel; "": all
	After string // the next of the page before; "": from the beginning
	Limit int    // at most MaxLimit; 0 means DefaultLimit
}

func (s *Server) startSchedule() *schedule.Schedule {
	c := schedule.Config{
		Log: s.engine, Memory: s.memory, MemoryOnly: s.host.Policies.MemoryOnly,
		Limits: func(channel string) engine.Limits { return s.host.Policies.Of(channel).Limits() },
		Steps:  s.escalation.Run, Now: s.Now, Ready: s.storage, Logger: s.logger,
	}
	if s.clustered() {
		c.Nodes = func() (all []string, self int) {
			all = append(s.others(), s.shared.Node())
			slices.Sort(all)
			return all, slices.Index(all, s.shared.Node())
		}
	}
	return schedule.New(c)
}

// Scheduled lists scheduled pushes, in the order of their channels and IDs. Next is what After
// is for the next page; it equals After if there was nothing more.
func (s *Server) Scheduled(ctx context.Context, q ScheduledQuery) (list []Scheduled, next string, err error) {
	limit, err := pageLimit(q.Limit)
	if err != nil {
		return nil, "", err
	}
	if q.To != "" {
		if err := checkTo(q.To); err != nil {
			return nil, "", err
		}
	}
	timers, next, err := s.scheduled.List(ctx, q.To, q.After, limit)
	if errors.Is(err, schedule.ErrCursor) {
		return nil, "", fieldError("after", "%s", err)
	}
	for _, t := range timers {
		list = append(list, Scheduled{To: t.Channel, ID: t.ID, At: time.UnixMilli(t.Due)})
	}
	return list, next, public(err)
}

// CancelScheduled cancels the scheduled push to a channel that has an ID, or to all channels
// if to is "". The error is an *Error with CodeNotFound if there was none, also because it was
// made already.
func (s *Server) CancelScheduled(ctx context.Context, id, to string) error {
	if to != "" {
		if err := checkTo(to); err != nil {
			return err
		}
	}
	if err := checkText("id", id); err != nil {
		return err
	}
	err := engine.ErrNotFound
	if id != "" {
		err = s.cancelScheduled(ctx, id, to)
	}
	if errors.Is(err, engine.ErrNotFound) {
		return Errorf(CodeNotFound, "no push with this ID is scheduled")
	}
	return public(err)
}

func (s *Server) cancelScheduled(ctx context.Context, id, to string) error {
	if s.shared != nil { // another node may have scheduled it
		if err := s.shared.CatchUp(ctx, to); err != nil {
			return err
		}
	}
	return s.scheduled.Cancel(ctx, id, to)
}

// schedule makes of the entry of a push the entry that schedules it.
func (s *Server) schedule(e *engine.Entry, p *Push) error {
	now := s.Now()
	at, field := p.At, "at"
	switch {
	case !at.IsZero() && p.Delay != 0:
		return fieldError("delay", "a push has either at or delay, not both")
	case at.IsZero():
		at, field = now.Add(p.Delay), "delay"
	}
	switch {
	case p.Delay < 0:
		return fieldError(field, "%s is negative", p.Delay)
	case at.Before(now):
		return fieldError(field, "%s is in the past: it is %s here", wordTime(at), wordTime(now))
	case at.Sub(now) > MaxDelay:
		return fieldError(field, "a push can be scheduled for at most %d days ahead", MaxDelay/(24*time.Hour))
	case p.TTL > 0 && p.TTL <= at.Sub(now):
		return fieldError("ttl", "the time to live of %s begins now, and ends before the message is pushed", p.TTL)
	}
	*e = schedule.Entry(e, now.UnixMilli(), at.UnixMilli())
	return nil
}

// wordTime writes a time for an error.
func wordTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// scheduled is the result of a push that is scheduled, or was made.
func scheduled(in *engine.Entry, r *engine.Result) PushResult {
	at := r.Due
	if r.Seq != 0 {
		at = r.Time
	}
	return PushResult{To: in.Channel, ID: in.ID, Seq: r.Seq, Duplicate: r.Duplicate, At: time.UnixMilli(at)}
}

func (s *Server) newEscalation() *escalation.Escalation {
	c := escalation.Config{
		Log: s.engine, Users: s.host.Users, Events: s.events.recorder,
		MaxAge: func(channel string) time.Duration { return s.host.Policies.Of(channel).MaxAge },
		Now:    s.Now, Logger: s.logger,
	}
	if s.pusher != nil {
		c.WebPush = s.pusher
	}
	return escalation.New(c)
}

// escalate makes the entry of a push set the timer of its first step. Its channel's policy has
// the default.
func (s *Server) escalate(e *engine.Entry, p *Push, policy *escalation.Plan) error {
	notification, err := escalation.CompactNotification(p.Notification)
	if err != nil {
		return public(err)
	}
	plan := escalation.Plan{Steps: p.Escalate, Until: p.Until, Notification: notification}
	explicit := p.Escalate != nil
	if !explicit && policy != nil {
		plan.Steps = policy.Steps
		if plan.Until == "" {
			plan.Until = policy.Until
		}
	}
	if err := plan.Check(); err != nil {
		return public(err)
	}
	if len(plan.Steps) == 0 {
		return nil
	}
	now := s.Now()
	if explicit {
		if err := s.checkEscalation(&plan, p, now); err != nil {
			return err
		}
	}
	e.Sets = plan.Timer(now.UnixMilli())
	return nil
}

// checkEscalation checks the steps that a push asks for itself.
func (s *Server) checkEscalation(plan *escalation.Plan, p *Push, now time.Time) error {
	last := plan.Steps[len(plan.Steps)-1].After
	at := p.Delay
	if !p.At.IsZero() {
		at = p.At.Sub(now)
	}
	_, inbox := names.InboxUser(p.To)
	switch {
	case !inbox:
		return fieldError("escalate", "only messages to inboxes, such as user:42, escalate: %q is not one", p.To)
	case s.host.Policies.MemoryOnly(p.To):
		return fieldError("escalate", "%q is memory-only, and escalations are durable", p.To)
	case plan.Uses(ViaWebPush) && s.pusher == nil:
		return fieldError("escalate", "%s", noWebPush)
	case last >= s.host.Policies.Of(p.To).MaxAge:
		return fieldError("escalate", "after %s the channel no longer retains the message: its max_age is %s", last, s.host.Policies.Of(p.To).MaxAge)
	case p.TTL > 0 && last+at >= p.TTL:
		return fieldError("escalate", "after %s the message has expired: its time to live is %s", last+at, p.TTL)
	}
	return nil
}
