package wirepost

import (
	"errors"
	"log/slog"
	"strings"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/escalation"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/names"
)

// newPolicies checks the policies of the options, and that there are the callbacks that
// they need.
func (o *Options) newPolicies() (access.Policies, error) {
	list := make([]access.Policy, len(o.Channels))
	for i, p := range o.Channels {
		switch {
		case p.Subscribe == AccessHook && o.OnSubscribe == nil:
			return nil, optionError("OnSubscribe", "required by policy %d (%q), which has Subscribe: AccessHook", i, p.Pattern)
		case p.Publish == AccessHook && o.OnPublish == nil:
			return nil, optionError("OnPublish", "required by policy %d (%q), which has Publish: AccessHook", i, p.Pattern)
		}
		list[i] = access.Policy{
			Pattern: p.Pattern, NonDurable: p.NonDurable, MaxAge: p.MaxAge, MaxMessages: p.MaxMessages,
			Subscribe: access.Rule(p.Subscribe), Publish: access.Rule(p.Publish), Presence: p.Presence,
		}
		if err := p.CheckEscalation(o.WebPush.on()); err != nil {
			return nil, optionError("Channels", "policy %d (%q): %s", i, p.Pattern, err)
		}
		list[i].Escalation = p.escalation()
		p.warn(o.Logger)
	}
	policies, err := access.NewPolicies(list)
	if err != nil {
		return nil, optionError("Channels", "%s", fault.As(err).Message)
	}
	return policies, nil
}

// warn logs what has no effect on inboxes or on All, if the pattern matches nothing else.
func (p *Policy) warn(log *slog.Logger) {
	inboxes := strings.HasPrefix(p.Pattern, names.InboxPrefix)
	if inboxes && p.Presence {
		log.Warn("inboxes have no presence: the policy's has no effect", "policy", p.Pattern)
	}
	if open := p.Subscribe != "" && p.Subscribe != AccessByToken; open && (inboxes || p.Pattern == All) {
		log.Warn("who subscribes to inboxes and all is fixed: the policy's rule has no effect", "policy", p.Pattern, "subscribe", p.Subscribe)
	}
	if open := p.Publish == AccessAnyone || p.Publish == AccessHook; open && p.Pattern == All {
		log.Warn("no client publishes to all: the policy's rule has no effect", "policy", p.Pattern, "publish", p.Publish)
	}
}

// escalation is the plan of the policy, or nil.
func (p *Policy) escalation() *escalation.Plan {
	if len(p.Escalate) == 0 && p.Until == "" {
		return nil
	}
	return &escalation.Plan{Steps: p.Escalate, Until: p.Until}
}

// CheckEscalation returns the error for which New refuses the Escalate and Until of the
// policy, if any. webPush says whether Options.WebPush is on.
func (p *Policy) CheckEscalation(webPush bool) error {
	plan := p.escalation()
	if plan == nil {
		return nil
	}
	if err := plan.Check(); err != nil {
		return errors.New(fault.As(err).Message)
	}
	switch last := plan.Steps[len(plan.Steps)-1].After; {
	case !strings.HasPrefix(p.Pattern, names.InboxPrefix):
		return errors.New("escalate is for inboxes: the pattern has to begin with user: to match no other channels")
	case p.NonDurable:
		return errors.New("escalations are durable, and the channels are memory-only")
	case plan.Uses(ViaWebPush) && !webPush:
		//lint:ignore ST1005 it is a name
		return errors.New(noWebPush)
	case p.MaxAge > 0 && last >= p.MaxAge, last >= DefaultMaxAge && p.MaxAge == 0:
		return errors.New("the channels do not retain messages until the last step of escalate: raise max_age")
	}
	return nil
}
