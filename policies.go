package wirepost

import (
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
		if len(p.Escalate) > 0 || p.Until != "" {
			plan := &escalation.Plan{Steps: p.Escalate, Until: p.Until}
			if problem := checkDefaultEscalation(&p, plan, o.WebPush.on()); problem != "" {
				return nil, optionError("Channels", "policy %d (%q): %s", i, p.Pattern, problem)
			}
			list[i].Escalation = plan
		}
	}
	policies, err := access.NewPolicies(list)
	if err != nil {
		return nil, optionError("Channels", "%s", fault.As(err).Message)
	}
	return policies, nil
}

// checkDefaultEscalation checks the steps of a policy.
func checkDefaultEscalation(p *Policy, plan *escalation.Plan, webPush bool) string {
	if err := plan.Check(); err != nil {
		return fault.As(err).Message
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
