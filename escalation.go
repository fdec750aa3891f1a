package wirepost

import "github.com/wirepost/wirepost/internal/escalation"

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

// noWebPush is why a step is refused.
const noWebPush = "Web Push is off on this server, so no step can go via webpush"
