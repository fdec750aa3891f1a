package wirepost

import (
	"context"
	"strings"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/escalation"
	"github.com/wirepost/wirepost/internal/names"
)

// EscalationStep is what happens with a message unless it was acknowledged, or read, by then.
type EscalationStep = escalation.Step

// EscalationVia says where a step takes a message.
type EscalationVia = escalation.Via

// The ways of a step.
const (
	ViaWebPush = escalation.ViaWebPush // a notification, at the user's Web Push subscriptions
	ViaEvent   = escalation.ViaEvent   // an EventMessageUnacknowledged, for the backend
)

// EscalationUntil says what stops an escalation.
type EscalationUntil = escalation.Until

// What stops an escalation.
const (
	UntilAcknowledged = escalation.UntilAcknowledged // a device has acknowledged the message, or the user has read it
	UntilRead         = escalation.UntilRead         // the user has read it
)

// The limits of an escalation.
const (
	MaxEscalationSteps = escalation.MaxSteps
	MinEscalationAfter = escalation.MinAfter
	MaxEscalationAfter = escalation.MaxAfter
	MaxNotification    = escalation.MaxNotification // bytes
)

// Escalation says what has become of the steps of a message.
type Escalation = escalation.Status

// EscalationStatus says what has become of a step.
type EscalationStatus = escalation.StepStatus

// EscalationState is what has become of a step.
type EscalationState = escalation.StepState

// The states of a step. The first two change; the others are outcomes.
const (
	EscalationPending    = escalation.Pending    // its time has not come
	EscalationSending    = escalation.Sending    // it is under way, or is tried again
	EscalationSent       = escalation.Sent       // at least one subscription, or the log of events, has it
	EscalationNotNeeded  = escalation.NotNeeded  // the message was acknowledged, or read, before
	EscalationNoEndpoint = escalation.NoEndpoint // the user has no subscription, or nothing selects the event
	EscalationFailed     = escalation.Failed     // no subscription has it
	EscalationGone       = escalation.Gone       // in Metrics: the message was revoked, replaced or removed before
)

func (s *Server) newEscalation() *escalation.Escalation {
	return escalation.New(escalation.Config{
		Log: s.engine, Users: s.host.Users, Events: s.events.recorder, WebPush: s.webPush(),
		MaxAge: func(channel string) time.Duration { return s.host.Policies.Of(channel).MaxAge },
		Now:    s.Now, Logger: s.logger,
	})
}

// webPush returns what sends notifications, or nil if Web Push is off.
func (s *Server) webPush() escalation.WebPush { return nil }

// hasWebPush reports whether Web Push is on.
func (o *Options) hasWebPush() bool { return false }

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
	case plan.Uses(ViaWebPush) && s.webPush() == nil:
		return fieldError("escalate", "%s", noWebPush)
	case last >= s.host.Policies.Of(p.To).MaxAge:
		return fieldError("escalate", "after %s the channel no longer retains the message: its max_age is %s", last, s.host.Policies.Of(p.To).MaxAge)
	case p.TTL > 0 && last+at >= p.TTL:
		return fieldError("escalate", "after %s the message has expired: its time to live is %s", last+at, p.TTL)
	}
	return nil
}

const noWebPush = "Web Push is off on this server, so no step can go via webpush"

// checkDefaultEscalation checks the steps of a policy.
func checkDefaultEscalation(p *Policy, plan *escalation.Plan, webPush bool) string {
	if err := plan.Check(); err != nil {
		return AsError(public(err)).Message
	}
	switch last := plan.Steps[len(plan.Steps)-1].After; {
	case !strings.HasPrefix(p.Pattern, names.InboxPrefix):
		return "escalate is for inboxes, and the pattern matches other channels: it has to begin with user:"
	case p.NonDurable:
		return "escalations are durable, and the channels are memory-only"
	case plan.Uses(ViaWebPush) && !webPush:
		return noWebPush
	case p.MaxAge > 0 && last >= p.MaxAge, last >= DefaultMaxAge && p.MaxAge == 0:
		return "the channels do not retain messages until the last step of escalate: raise max_age"
	}
	return ""
}

// Escalation returns what has become of the steps of a live message, nil if it has none. It is
// known until the message expires, at most 30 days. The error is ErrNotFound if there is no such
// message.
func (s *Server) Escalation(ctx context.Context, channel string, seq uint64) (*Escalation, error) {
	r, err := s.record(ctx, channel, seq)
	if err != nil {
		return nil, err
	}
	if _, inbox := names.InboxUser(channel); !inbox {
		return nil, nil
	}
	status, err := s.escalation.Status(ctx, r, channel)
	return status, public(err)
}
