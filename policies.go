package wirepost

import (
	"errors"
	"fmt"
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
		if err := p.Check(o.WebPush.on()); err != nil {
			return nil, optionError("Channels", "policy %d (%q): %s", i, p.Pattern, err)
		}
		list[i].Escalation = p.escalation()
	}
	policies, err := access.NewPolicies(list)
	if err != nil {
		return nil, optionError("Channels", "%s", fault.As(err).Message)
	}
	return policies, nil
}

// escalation is the plan of the policy, or nil.
func (p *Policy) escalation() *escalation.Plan {
	if len(p.Escalate) == 0 && p.Until == "" {
		return nil
	}
	return &escalation.Plan{Steps: p.Escalate, Until: p.Until}
}

// Check returns the error for which New refuses a field that has no effect on the channels of
// the policy, or its Escalate and Until, if any. webPush says whether Options.WebPush is on.
func (p *Policy) Check(webPush bool) error {
	if err := p.checkEffect(); err != nil {
		return err
	}
	return p.checkEscalation(webPush)
}

// checkEffect refuses what a pattern that matches inboxes or All only cannot have.
func (p *Policy) checkEffect() error {
	inboxes, open := strings.HasPrefix(p.Pattern, names.InboxPrefix), p.Subscribe != "" && p.Subscribe != AccessByToken
	switch {
	case inboxes && p.Presence:
		return errors.New("presence has no effect on inboxes: `online` of GET /v1/users/{user} says whether the user is connected")
	case inboxes && open:
		return fmt.Errorf("subscribe: %s has no effect on inboxes: each is that of its user's connections only", p.Subscribe)
	case p.Pattern == All && open:
		return fmt.Errorf("subscribe: %s has no effect on %q: every connection is subscribed to it", p.Subscribe, All)
	case p.Pattern == All && (p.Publish == AccessAnyone || p.Publish == AccessHook):
		return fmt.Errorf("publish: %s has no effect on %q: no client may publish to it", p.Publish, All)
	}
	return nil
}

func (p *Policy) checkEscalation(webPush bool) error {
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
