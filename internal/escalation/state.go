package escalation

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// StepState is what has become of a step.
type StepState string

// The states of a step. Pending and Sending change; the others are outcomes.
const (
	Pending    StepState = "pending"     // its time has not come
	Sending    StepState = "sending"     // it is under way, or is tried again
	Sent       StepState = "sent"        // at least one subscription, or the log of events, has it
	NotNeeded  StepState = "not_needed"  // the message was acknowledged, or read, before
	NoEndpoint StepState = "no_endpoint" // the user has no subscription, or nothing selects the event
	Failed     StepState = "failed"      // no subscription has it, because push services refused
	Gone       StepState = "gone"        // the message was revoked, replaced or removed before; it is counted only
)

// state is what the timer of a message stores.
type state struct {
	Until        Until           `json:"until,omitempty"` // "": UntilAcknowledged
	Steps        []stepState     `json:"steps"`
	Turn         int             `json:"turn,omitempty"`         // the step whose time comes next; len(Steps): none
	Notification json.RawMessage `json:"notification,omitempty"` // until there are no more steps
}

type stepState struct {
	After        int64     `json:"after"` // in ms since the message was pushed
	Via          Via       `json:"via"`
	State        StepState `json:"state,omitempty"` // "": Pending
	At           int64     `json:"at,omitempty"`    // when the state was stored, in ms since the epoch
	Tries        int       `json:"tries,omitempty"`
	Sent         []string  `json:"sent,omitempty"` // names of subscriptions
	Failed       []Failure `json:"failed,omitempty"`
	Waits        []wait    `json:"waits,omitempty"`
	Reason       string    `json:"reason,omitempty"`       // why it is tried again, or failed
	Acknowledged []string  `json:"acknowledged,omitempty"` // of a step that was not needed: the devices
	Read         bool      `json:"read,omitempty"`         // likewise: by the user
}

// wait is a subscription that is tried again.
type wait struct {
	Failure
	Until int64 `json:"until"` // in ms since the epoch
}

func (s *state) encode() []byte {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // the notification was checked, and the rest is texts and numbers
	}
	return data
}

func decode(data []byte) (*state, error) {
	s := new(state)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, err
	}
	if s.Turn < 0 || s.Turn > len(s.Steps) {
		return nil, errTurn
	}
	return s, nil
}

func (s *state) over() bool { return s.Turn == len(s.Steps) }

func (s *state) current() *stepState { return &s.Steps[s.Turn] }

// settle gives the step whose turn it is an outcome, and the turn to the next one.
func (s *state) settle(outcome StepState, now int64) {
	step := s.current()
	if step.State, step.At, step.Waits = outcome, now, nil; outcome != Failed {
		step.Reason = ""
	}
	if s.Turn++; s.over() {
		s.Notification = nil
	}
}

// stop ends the escalation of a message that was acknowledged, or read.
func (s *state) stop(p *progress, now int64) {
	step := s.current()
	step.Acknowledged, step.Read = p.devices, p.read
	if len(step.Sent) > 0 { // it was about to be tried again
		s.settle(Sent, now)
	}
	for !s.over() {
		s.settle(NotNeeded, now)
	}
}

// done are the names of the subscriptions that need not be tried, or not yet.
func (s *stepState) done() []string {
	names := slices.Clone(s.Sent)
	for _, f := range s.Failed {
		names = append(names, f.Name)
	}
	for _, w := range s.Waits {
		names = append(names, w.Name)
	}
	return names
}

// expire drops the waits that are over.
func (s *stepState) expire(now int64) {
	s.Waits = slices.DeleteFunc(s.Waits, func(w wait) bool { return w.Until <= now })
}

// next returns when the state has to be looked at again: when the next step is due, or, to
// remove it, when the message has ended.
func (s *state) next(r *engine.Record, maxAge time.Duration) int64 {
	if s.over() {
		return end(r, maxAge)
	}
	return r.Time + s.current().After
}

// maxHistory is how long what became of the steps is kept at most.
const maxHistory = 30 * 24 * time.Hour

// end returns when a message expires, at the latest after maxHistory.
func end(r *engine.Record, maxAge time.Duration) int64 {
	at := r.Time + maxHistory.Milliseconds()
	if maxAge > 0 {
		at = min(at, r.Time+maxAge.Milliseconds())
	}
	if r.Expires > 0 {
		at = min(at, r.Expires)
	}
	return at
}
