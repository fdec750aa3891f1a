package client

import "time"

// Event is what Options.OnEvent gets: one of the types below.
type Event interface{ event() }

// Gap says that retention removed messages before this device had them: those
// between After and ResumedAt, both exclusive. A program that keeps a copy of some
// state fetches it again.
type Gap struct {
	Channel          string
	After, ResumedAt uint64
}

// Revoked says that the backend revoked a message, perhaps one that this client never
// received.
type Revoked struct {
	Channel string
	Seq     uint64 // of the revocation
	Revoked uint64 // of the message
	ID      string // of the message
}

// State says that the user's read mark in a channel has moved, on this device or
// another.
type State struct {
	Channel string
	Read    uint64
	Unread  int
}

// Subscribed says that a membership began, by the backend or by a new token.
type Subscribed struct{ Channel string }

// Unsubscribed says that a membership or a subscription ended: by the backend or
// by a new token, or because it was refused (Err) after a reconnect.
type Unsubscribed struct {
	Channel string
	Err     error
}

// Connected says that there is a connection.
type Connected struct {
	User, Device string
	Connection   string // its name, for Backend.Disconnect
	Unread       int    // messages in the inbox and all memberships
	// NewStore says that the server has another store than at the last connection: the
	// positions in that one no longer count.
	NewStore bool
}

// Disconnected says why a connection ended, or could not be made, and how long it is
// until the next attempt.
type Disconnected struct {
	Err   error
	Retry time.Duration
}

// Refused says that the server refused a command whose result is not waited for, such
// as MarkRead in a channel that the user is not a member of.
type Refused struct {
	Err error // a *CommandError
}

func (*Message) event()     {}
func (Gap) event()          {}
func (Revoked) event()      {}
func (State) event()        {}
func (Subscribed) event()   {}
func (Unsubscribed) event() {}
func (Refused) event()      {}
func (Connected) event()    {}
func (Disconnected) event() {}

// revocation is a Revoked in the queue: a record of the log, which is
// acknowledged like a message.
type revocation struct {
	Revoked
	epoch string
}
