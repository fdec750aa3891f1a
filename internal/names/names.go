// Package names owns the rules for the names of channels, users and devices.
package names

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wirepost/wirepost/internal/fault"
)

const (
	// All is the channel that every user is a member of.
	All = "all"
	// InboxPrefix and a user's ID are the name of the user's inbox.
	InboxPrefix = "user:"
	// Reserved begins the names of the server's own channels, which only the server uses.
	Reserved = "$"
	// Max is the longest name, in bytes.
	Max = 200
)

// Inbox returns the name of a user's inbox.
func Inbox(user string) string { return InboxPrefix + user }

// InboxUser returns the user to whom an inbox channel belongs.
func InboxUser(channel string) (user string, ok bool) {
	return strings.CutPrefix(channel, InboxPrefix)
}

// CheckChannel checks a channel name: 1 to 200 bytes of printable UTF-8 without
// white space, control characters, '*', '?' or ','. An inbox needs a user's ID, and no
// name begins with '$'.
func CheckChannel(channel string) error {
	if err := check("channel", channel, Max); err != nil {
		return err
	}
	switch {
	case channel == InboxPrefix:
		return fault.Field("channel", "%q names no user", channel)
	case IsReserved(channel):
		return fault.Field("channel", "%q is reserved: names that begin with $ belong to the server", channel)
	}
	return nil
}

// LikeUser reports whether a channel has a name that users have and channels hardly ever: a
// number, an address of mail or a UUID. No user would receive the message.
func LikeUser(channel string) bool { return userLike.MatchString(channel) }

var userLike = regexp.MustCompile(`(?i)^(\d+|[^@:]+@[^@:]+\.[^@:]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

// IsReserved reports whether a channel is the server's own.
func IsReserved(channel string) bool { return strings.HasPrefix(channel, Reserved) }

// CheckUser checks that a user's ID is valid after "user:".
func CheckUser(user string) error {
	return check("user", user, Max-len(InboxPrefix))
}

// CheckDevice checks a device name by the same rules. The empty name is the default
// device.
func CheckDevice(device string) error {
	if device == "" {
		return nil
	}
	return check("device", device, Max)
}

func check(what, name string, limit int) error {
	switch {
	case name == "":
		return fault.Field(what, "a %s name is needed", what)
	case len(name) > limit:
		return fault.Field(what, "the %s name has %d bytes, more than %d", what, len(name), limit)
	case isPlain(name): // the usual case
		return nil
	case !utf8.ValidString(name):
		return fault.Field(what, "the %s name is not valid UTF-8", what)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) || unicode.IsSpace(r) || strings.ContainsRune("*?,", r) {
			return fault.Field(what, "the %s name %q contains %q", what, name, r)
		}
	}
	return nil
}

// isPlain reports whether a name consists of printable ASCII characters that are allowed.
func isPlain(name string) bool {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c <= ' ' || c > '~' || c == '*' || c == '?' || c == ',' {
			return false
		}
	}
	return true
}
