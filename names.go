package wirepost

import (
	"context"
	"encoding/json"

	"github.com/wirepost/wirepost/internal/access"
	"github.com/wirepost/wirepost/internal/names"
)

// All is the channel that every user is a member of.
const All = names.All

// InboxOf returns the name of a user's inbox: "user:" and the user's ID.
func InboxOf(userID string) string { return names.Inbox(userID) }

// CheckChannel returns an error unless name is a valid channel name: 1 to 200 bytes of
// printable UTF-8 without white space, control characters, '*', '?' or ','. After
// "user:" it needs a user's ID.
func CheckChannel(name string) error { return public(names.CheckChannel(name)) }

// CheckUser returns an error unless userID is not empty and InboxOf(userID) is a valid
// channel name.
func CheckUser(userID string) error { return public(names.CheckUser(userID)) }

// CheckDevice returns an error unless device is a valid device name, to which the rules
// of CheckChannel apply. The empty name is the default device.
func CheckDevice(device string) error { return public(names.CheckDevice(device)) }

// CheckInfo returns an error if info cannot be Identity.Info.
func CheckInfo(info json.RawMessage) error {
	_, err := access.CompactInfo(info)
	return public(err)
}

// checkUser checks the arguments that most methods have.
func checkUser(ctx context.Context, userID string) error {
	if err := ctx.Err(); err != nil {
		return AsError(err)
	}
	return CheckUser(userID)
}

// checkChannel is checkUser for a channel.
func checkChannel(ctx context.Context, channel string) error {
	if err := ctx.Err(); err != nil {
		return AsError(err)
	}
	return CheckChannel(channel)
}
