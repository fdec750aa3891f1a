package escalation

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// Status says what has become of the steps of a message.
type Status struct {
	Until Until        `json:"until"`
	Steps []StepStatus `json:"steps"`
}

// StepStatus says what has become of a step. In JSON, After is text, and At in milliseconds
// since the epoch.
type StepStatus struct {
	After time.Duration `json:"-"`
	Via   Via           `json:"via"`
	State StepState     `json:"state"`
	At    time.Time     `json:"-"` // of the state; of one that is pending, when it is due
	// Of a notification: the subscriptions that have it, and those that never will; and why
	// it is tried again, or failed if none of them says why.
	Sent   []string  `json:"sent,omitempty"`
	Failed []Failure `json:"failed,omitempty"`
	Reason string    `json:"reason,omitempty"`
	// Why it was not needed: the devices that had acknowledged the message, and whether the
	// user had read it.
	Acknowledged []string `json:"acknowledged,omitempty"`
	Read         bool     `json:"read,omitempty"`
}

type statusFields StepStatus // without the methods

type statusJSON struct {
	After string `json:"after"`
	*statusFields
	At int64 `json:"at"`
}

// MarshalJSON writes the form that the HTTP API uses.
func (s StepStatus) MarshalJSON() ([]byte, error) {
	return json.Marshal(statusJSON{s.After.String(), (*statusFields)(&s), s.At.UnixMilli()})
}

// Status returns what has become of the steps of a message, nil if it has none.
func (e *Escalation) Status(ctx context.Context, r *engine.Record, channel string) (*Status, error) {
	q := engine.TimerQuery{Kind: engine.TimerStep, Channel: channel, ID: strconv.FormatUint(r.Seq, 10)}
	timers, err := e.config.Log.ListTimers(ctx, q, 1)
	if err != nil || len(timers) == 0 {
		return nil, err
	}
	s, err := decode(timers[0].Data)
	if err != nil {
		return nil, err
	}
	status := &Status{Until: s.Until}
	if s.Until == "" {
		status.Until = UntilAcknowledged
	}
	for _, step := range s.Steps {
		out := StepStatus{
			After: time.Duration(step.After) * time.Millisecond, Via: step.Via, State: step.State, At: time.UnixMilli(step.At),
			Sent: step.Sent, Failed: step.Failed, Reason: step.Reason, Acknowledged: step.Acknowledged, Read: step.Read,
		}
		if step.State == "" {
			out.State, out.At = Pending, time.UnixMilli(r.Time+step.After)
		}
		status.Steps = append(status.Steps, out)
	}
	return status, nil
}
