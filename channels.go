package wirepost

import "github.com/wirepost/wirepost/internal/names"

// All is the channel that every user is a member of.
const All = names.All

// InboxOf names the channel that is a user's inbox.
func InboxOf(user string) string { return names.Inbox(user) }

// CheckChannel says whether a channel name follows the rules: 1 to 200 bytes of
// printable UTF-8 without white space, control characters, '*', '?' or ','; an
// inbox names a user.
func CheckChannel(name string) error { return public(names.CheckChannel(name)) }

// CheckUser says whether a user name is valid behind "user:".
func CheckUser(user string) error { return public(names.CheckUser(user)) }

// CheckDevice says whether a device name follows the same rules. The empty name
// is the default device.
func CheckDevice(device string) error { return public(names.CheckDevice(device)) }
