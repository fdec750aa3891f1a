package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// EscalationStep is what the server does with a message unless it was acknowledged, or read, by
// then.
type EscalationStep struct {
	After time.Duration // since the message was pushed
	Via   EscalationVia
}

// EscalationVia says where a step takes a message.
type EscalationVia string

// The ways of a step.
const (
	ViaWebPush EscalationVia = "webpush" // a notification, at the user's Web Push subscriptions
	ViaEvent   EscalationVia = "event"   // an event message.unacknowledged, for the backend
)

// EscalationUntil says what stops an escalation.
type EscalationUntil string

// What stops an escalation.
const (
	UntilAcknowledged EscalationUntil = "acknowledged" // a device has acknowledged the message, or the user has read it
	UntilRead         EscalationUntil = "read"         // the user has read it
)

type stepJSON struct {
	After string        `json:"after"`
	Via   EscalationVia `json:"via"`
}

// MarshalJSON writes the form of POST /v1/push.
func (s EscalationStep) MarshalJSON() ([]byte, error) {
	return json.Marshal(stepJSON{s.After.String(), s.Via})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *EscalationStep) UnmarshalJSON(text []byte) error {
	var form stepJSON
	if err := json.Unmarshal(text, &form); err != nil {
		return err
	}
	after, err := time.ParseDuration(form.After)
	*s = EscalationStep{after, form.Via}
	return err
}

// Escalation says what has become of the steps of a message.
type Escalation struct {
	Until EscalationUntil    `json:"until"`
	Steps []EscalationStatus `json:"steps"`
}

// EscalationStatus says what has become of a step.
type EscalationStatus struct {
	EscalationStep
	State EscalationState
	At    time.Time // of the state; of one that is pending, when it is due
	// Of a notification: the names of the subscriptions that have it, those that never will, and
	// why it is tried again, or failed if none of them says why.
	Sent   []string
	Failed []EscalationFailure
	Reason string
	// Why it was not needed: the devices that had acknowledged the message, and whether the
	// user had read it.
	Acknowledged []string
	Read         bool
}

// EscalationFailure says why a subscription was not sent a message.
type EscalationFailure struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// EscalationState is what has become of a step.
type EscalationState string

// The states of a step. The first two change; the others are outcomes.
const (
	EscalationPending    EscalationState = "pending"     // its time has not come
	EscalationSending    EscalationState = "sending"     // it is under way, or is tried again
	EscalationSent       EscalationState = "sent"        // at least one subscription, or the log of events, has it
	EscalationNotNeeded  EscalationState = "not_needed"  // the message was acknowledged, or read, before
	EscalationNoEndpoint EscalationState = "no_endpoint" // the user has no subscription, or nothing selects the event
	EscalationFailed     EscalationState = "failed"      // no subscription has it
)

// UnmarshalJSON reads the form of the HTTP API.
func (s *EscalationStatus) UnmarshalJSON(text []byte) error {
	var form struct {
		State        EscalationState     `json:"state"`
		At           int64               `json:"at"`
		Sent         []string            `json:"sent"`
		Failed       []EscalationFailure `json:"failed"`
		Reason       string              `json:"reason"`
		Acknowledged []string            `json:"acknowledged"`
		Read         bool                `json:"read"`
	}
	var step EscalationStep
	if err := json.Unmarshal(text, &step); err != nil {
		return err
	}
	err := json.Unmarshal(text, &form)
	*s = EscalationStatus{
		EscalationStep: step, State: form.State, At: time.UnixMilli(form.At), Sent: form.Sent, Failed: form.Failed,
		Reason: form.Reason, Acknowledged: form.Acknowledged, Read: form.Read,
	}
	return err
}

// Escalation returns what has become of the steps of a live message, nil if it has none.
// ErrNotFound means that there is no such message.
func (b *Backend) Escalation(ctx context.Context, channel string, seq uint64, options ...ReadOption) (*Escalation, error) {
	var result struct {
		Escalation *Escalation `json:"escalation"`
	}
	query := read(url.Values{}, options)
	if err := b.repeat(ctx, call{method: http.MethodGet, path: messagePath(channel, seq), query: query, result: &result}); err != nil {
		return nil, fmt.Errorf("escalation of %d in %s: %w", seq, channel, err)
	}
	return result.Escalation, nil
}
