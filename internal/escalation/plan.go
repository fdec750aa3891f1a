package escalation

import (
	"encoding/json"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/fault"
)

// Via says where a step takes a message.
type Via string

// The ways of a step.
const (
	ViaWebPush Via = "webpush" // to the user's Web Push subscriptions
	ViaEvent   Via = "event"   // to the backend, as a message.unacknowledged
)

// Until says what stops an escalation.
type Until string

// What stops an escalation.
const (
	UntilAcknowledged Until = "acknowledged" // a device has acknowledged the message, or the user has read it
	UntilRead         Until = "read"         // the user has read it
)

// Step is what happens with a message unless it was acknowledged, or read, by then.
type Step struct {
	After time.Duration // since the push
	Via   Via
}

// Plan is the escalation that a push asks for.
type Plan struct {
	Steps        []Step
	Until        Until           // "": UntilAcknowledged
	Notification json.RawMessage // what Web Push shows: a JSON object; nil: none
}

// The limits of a plan.
const (
	MaxSteps        = 8
	MinAfter        = time.Second
	MaxAfter        = 366 * 24 * time.Hour
	MaxNotification = 3 << 10 // bytes; the payload of Web Push has at most 4 KiB, with what Wirepost adds
)

// Check returns a *fault.Error with the field of a push that is wrong. A plan without
// steps is valid if it has nothing else.
func (p *Plan) Check() error {
	if n := len(p.Steps); n > MaxSteps {
		return fault.Field("escalate", "%d steps, more than %d", n, MaxSteps)
	}
	notifies := false
	for i, s := range p.Steps {
		switch {
		case s.Via != ViaWebPush && s.Via != ViaEvent:
			return fault.Field("escalate", "entry %d: via %q is not one of webpush, event", i, string(s.Via))
		case s.After < MinAfter:
			return fault.Field("escalate", "entry %d: after %s is less than %s", i, s.After, MinAfter)
		case s.After > MaxAfter:
			return fault.Field("escalate", "entry %d: after %s is more than %d days", i, s.After, MaxAfter/(24*time.Hour))
		case i > 0 && s.After <= p.Steps[i-1].After:
			return fault.Field("escalate", "entry %d: after %s is not later than %s, that of the step before", i, s.After, p.Steps[i-1].After)
		}
		notifies = notifies || s.Via == ViaWebPush
	}
	switch p.Until {
	case "":
	case UntilAcknowledged, UntilRead:
		if len(p.Steps) == 0 {
			return fault.Field("until", "there is nothing to stop: the push has no steps in escalate")
		}
	default:
		return fault.Field("until", "%q is not one of acknowledged, read", string(p.Until))
	}
	if p.Notification != nil && !notifies {
		return fault.Field("notification", "nothing shows it: the push has no step via webpush in escalate")
	}
	return checkNotification(p.Notification)
}

// Uses reports whether a plan has a step of a kind.
func (p *Plan) Uses(v Via) bool {
	for _, s := range p.Steps {
		if s.Via == v {
			return true
		}
	}
	return false
}

// Timer returns the timer that is set with the message of a plan that has steps. Now is in ms since
// the epoch.
func (p *Plan) Timer(now int64) *engine.Timer {
	s := state{Until: p.Until, Notification: p.Notification, Steps: make([]stepState, len(p.Steps))}
	if s.Until == UntilAcknowledged {
		s.Until = ""
	}
	for i, step := range p.Steps {
		s.Steps[i] = stepState{After: step.After.Milliseconds(), Via: step.Via}
	}
	return &engine.Timer{Kind: engine.TimerStep, Due: now + s.Steps[0].After, Data: s.encode()}
}

type stepJSON struct {
	After string `json:"after"`
	Via   Via    `json:"via"`
}

// MarshalJSON writes the form that a push has, such as {"after":"30s","via":"event"}.
func (s Step) MarshalJSON() ([]byte, error) {
	return json.Marshal(stepJSON{s.After.String(), s.Via})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Step) UnmarshalJSON(text []byte) error {
	var form stepJSON
	if err := json.Unmarshal(text, &form); err != nil {
		return err
	}
	after, err := time.ParseDuration(form.After)
	if err != nil {
		return err
	}
	*s = Step{after, form.Via}
	return nil
}
