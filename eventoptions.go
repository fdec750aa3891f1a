package wirepost

import (
	"fmt"
	"net/url"
	"time"

	"github.com/wirepost/wirepost/internal/events"
	"github.com/wirepost/wirepost/internal/signing"
)

// Event is something that happened on the server. Its JSON form is that of webhooks and of
// GET /v1/events.
type Event = events.Event

// EventData is what the type of an Event has.
type EventData = events.Data

// EventType says what happened.
type EventType = events.Type

// The types of events.
const (
	EventUserOnline            = events.UserOnline            // the first connection, on whatever node
	EventUserOffline           = events.UserOffline           // none is left, since EventOptions.Grace
	EventSessionConnected      = events.SessionConnected      // one connection
	EventSessionDisconnected   = events.SessionDisconnected   // with its code, reason and duration
	EventMessageAcknowledged   = events.MessageAcknowledged   // by a device, up to a sequence
	EventMessageRead           = events.MessageRead           // by a user, up to a sequence
	EventMessageUnacknowledged = events.MessageUnacknowledged // when a step of its escalation was due, ViaEvent
	EventChannelOccupied       = events.ChannelOccupied       // the first subscriber; not of inboxes and All
	EventChannelVacated        = events.ChannelVacated        // none is left, since EventOptions.Grace
	EventMembershipChanged     = events.MembershipChanged     // stored memberships, by Join and Leave
	EventGap                   = events.Gap                   // events are missing
)

// EventOptions says which events are written to the log of events, and where they are sent.
// Events are written before they are delivered, and each is delivered at least once, in
// order. What neither OnEvent nor an entry of Endpoints selects is not written.
type EventOptions struct {
	// Grace is how long a user may be without connections, or a channel without
	// subscribers, before that is an event. 0: 5 s.
	Grace time.Duration
	// Retention is how long events are kept. A reader that has not taken them by then is
	// sent an EventGap. 0: 3 days.
	Retention time.Duration
	// Types and Channels select, as those of an EventEndpoint do, what OnEvent is called
	// with. They have no effect without OnEvent.
	Types, Channels []string
	// Endpoints are where events are sent.
	Endpoints []EventEndpoint
}

// EventEndpoint is a URL to which events are sent, as signed requests (see docs/events.md). Its
// position in the log is stored under its URL.
type EventEndpoint struct {
	URL string // "": nothing is sent; the events are written for ReadEvents
	// Secrets sign the requests: "whsec_" and at least 24 bytes in base64. Several are for
	// replacing one. Without any, requests are not signed.
	Secrets []string
	// Types and Channels are patterns with *. Without any, all types and channels are
	// selected. Channels concern only events about a channel.
	Types, Channels []string
}

const (
	defaultEventGrace     = 5 * time.Second
	defaultEventRetention = 72 * time.Hour
)

// OnEvent's name in the stored cursors, and in EventReader.
const onEventReader = "OnEvent"

// check checks the options and fills in the defaults.
func (o *EventOptions) check() error {
	switch {
	case o.Grace < 0:
		return optionError("Events.Grace", "%s is negative", o.Grace)
	case o.Retention < 0:
		return optionError("Events.Retention", "%s is negative", o.Retention)
	}
	if o.Grace == 0 {
		o.Grace = defaultEventGrace
	}
	if o.Retention == 0 {
		o.Retention = defaultEventRetention
	}
	if err := checkEventTypes("Events.Types", o.Types); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, e := range o.Endpoints {
		field := fmt.Sprintf("Events.Endpoints[%d]", i)
		if err := e.check(field); err != nil {
			return err
		}
		if e.URL != "" && seen[e.URL] {
			return optionError(field+".URL", "it is also that of an earlier endpoint: an endpoint has one position in the log")
		}
		seen[e.URL] = true
	}
	return nil
}

func (e *EventEndpoint) check(field string) error {
	if e.URL == "" && len(e.Secrets) > 0 {
		return optionError(field+".URL", "there is a secret, and no URL")
	}
	if e.URL != "" {
		if err := CheckEventURL(e.URL); err != nil {
			return optionError(field+".URL", "%s", err)
		}
	}
	for _, text := range e.Secrets {
		if _, err := signing.ParseSecret(text); err != nil {
			return optionError(field+".Secrets", "%s", err)
		}
	}
	return checkEventTypes(field+".Types", e.Types)
}

func checkEventTypes(field string, patterns []string) error {
	for _, p := range patterns {
		if err := CheckEventType(p); err != nil {
			return optionError(field, "%s", err)
		}
	}
	return nil
}

// CheckEventType returns an error if a pattern matches no type of event.
func CheckEventType(pattern string) error { return events.CheckType(pattern) }

// CheckEventURL returns an error unless events can be sent to a URL. The error does not
// contain it, because there may be a secret in it.
func CheckEventURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		return fmt.Errorf("it is not an http or https URL, such as https://example.com/events")
	}
	return nil
}

// writesEvents reports whether something selects events.
func (o *Options) writesEvents() bool { return o.OnEvent != nil || len(o.Events.Endpoints) > 0 }
