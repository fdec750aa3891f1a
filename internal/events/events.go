// Package events writes what happens on a server to a log, the channel $events, and
// passes it on to readers: webhook endpoints and the application. The log is a channel
// like any other, in the same engine, and a reader is a stored cursor in it.
//
// What happens reaches the log in two ways. Sessions, and channels that get their first
// or lose their last connection, are queued by the event loops and appended by one
// goroutine, the Recorder's. Acknowledgements, read marks and memberships are appended by
// the saver of users, before it stores them.
package events

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/names"
)

// Channel is the log of events.
const Channel = names.Reserved + "events"

// occupied is a channel with one live message for each channel that has connections, as
// far as the log of events says. The message has the channel as its key.
const occupied = names.Reserved + "occupied"

// Type says what happened.
type Type string

// The types of events.
const (
	UserOnline            Type = "user.online"
	UserOffline           Type = "user.offline"
	SessionConnected      Type = "session.connected"
	SessionDisconnected   Type = "session.disconnected"
	MessageAcknowledged   Type = "message.acknowledged"
	MessageRead           Type = "message.read"
	MessageUnacknowledged Type = "message.unacknowledged"
	ChannelOccupied       Type = "channel.occupied"
	ChannelVacated        Type = "channel.vacated"
	MembershipChanged     Type = "membership.changed"
	// Gap says that events are missing. Every reader gets it.
	Gap Type = "gap"
)

// types are those that can be asked for.
var types = []Type{
	UserOnline, UserOffline, SessionConnected, SessionDisconnected, MessageAcknowledged, MessageRead,
	MessageUnacknowledged, ChannelOccupied, ChannelVacated, MembershipChanged,
}

// Event is one entry of the log.
type Event struct {
	Seq  uint64 `json:"seq"` // increasing, with holes
	ID   string `json:"id"`  // of this event, the same each time that it is delivered
	Type Type   `json:"type"`
	Time int64  `json:"time"` // when it happened, in ms since the epoch
	User string `json:"user,omitempty"`
	Data Data   `json:"data"`
}

// Data is what the type of an event has.
type Data struct {
	Channel    string `json:"channel,omitempty"`
	Seq        uint64 `json:"seq,omitempty"` // of message.acknowledged and message.read: everything up to it
	ID         string `json:"id,omitempty"`  // of a message
	Connection string `json:"connection,omitempty"`
	Device     string `json:"device,omitempty"`
	Code       int    `json:"code,omitempty"` // of the close
	Reason     string `json:"reason,omitempty"`
	DurationMS *int64 `json:"duration_ms,omitempty"` // of the session
	Member     *bool  `json:"member,omitempty"`      // of membership.changed
	Step       int    `json:"step,omitempty"`        // of message.unacknowledged, from 1 on
	// Of a gap: the events after After and before ResumedAt are missing, or Count events
	// were not written. With the Reason "reset", After is above the last event, of a log that
	// was restored or replaced, and what happens from now on comes from ResumedAt on.
	After     uint64 `json:"after,omitempty"`
	ResumedAt uint64 `json:"resumed_at,omitempty"`
	Count     uint64 `json:"count,omitempty"`
}

// stored is the form of an event in the log. The ID is that of the record, unless the
// record needs another one.
type stored struct {
	ID   string `json:"id,omitempty"`
	Type Type   `json:"type"`
	Time int64  `json:"time"`
	User string `json:"user,omitempty"`
	Data Data   `json:"data"`
}

// decode returns the event of a record.
func decode(r *engine.Record) (Event, error) {
	var s stored
	if err := json.Unmarshal(r.Data, &s); err != nil {
		return Event{}, fmt.Errorf("event %d is malformed: %w", r.Seq, err)
	}
	if s.ID == "" {
		s.ID = r.ID
	}
	return Event{Seq: r.Seq, ID: s.ID, Type: s.Type, Time: s.Time, User: s.User, Data: s.Data}, nil
}

// about returns the channel that an event says to be occupied or not, and which of both.
func (e *Event) about() (channel string, on, ok bool) {
	switch e.Type {
	case UserOnline, UserOffline:
		return names.Inbox(e.User), e.Type == UserOnline, true
	case ChannelOccupied, ChannelVacated:
		return e.Data.Channel, e.Type == ChannelOccupied, true
	}
	return "", false, false
}

// occupancy returns the event that a channel has got its first connection, or has lost
// its last.
func occupancy(channel string, on bool) stored {
	user, inbox := names.InboxUser(channel)
	switch {
	case inbox && on:
		return stored{Type: UserOnline, User: user}
	case inbox:
		return stored{Type: UserOffline, User: user}
	case on:
		return stored{Type: ChannelOccupied, Data: Data{Channel: channel}}
	}
	return stored{Type: ChannelVacated, Data: Data{Channel: channel}}
}

// CheckType returns an error if no event can match a pattern of types.
func CheckType(pattern string) error {
	f := Filter{Types: []string{pattern}}
	for _, t := range types {
		if f.matchesType(t) {
			return nil
		}
	}
	list := make([]string, len(types))
	for i, t := range types {
		list[i] = string(t)
	}
	return fmt.Errorf("%q matches no type of event: the types are %s", pattern, strings.Join(list, ", "))
}
