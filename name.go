package wirepost

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// All is the channel that every user is a member of.
	All = "all"
	// inboxPrefix makes a channel name the inbox of the user named behind it.
	inboxPrefix = "user:"
	maxName     = 200 // bytes
)

// InboxOf names the channel that is a user's inbox.
func InboxOf(user string) string { return inboxPrefix + user }

// inboxUser is the user whose inbox the channel is.
func inboxUser(channel string) (string, bool) {
	return strings.CutPrefix(channel, inboxPrefix)
}

// CheckChannel says whether a channel name follows the rules: 1 to 200 bytes of
// printable UTF-8 without white space, control characters, '*', '?' or ','; an
// inbox names a user.
func CheckChannel(name string) error {
	if err := checkName("channel", name, maxName); err != nil {
		return err
	}
	if name == inboxPrefix {
		return fieldError("channel", "%q names no user", name)
	}
	return nil
}

// CheckUser says whether a user name is valid behind "user:".
func CheckUser(user string) error {
	return checkName("user", user, maxName-len(inboxPrefix))
}

// CheckDevice says whether a device name follows the same rules. The empty name
// is the default device.
func CheckDevice(device string) error {
	if device == "" {
		return nil
	}
	return checkName("device", device, maxName)
}

func checkName(what, name string, limit int) error {
	switch {
	case name == "":
		return fieldError(what, "a %s name is needed", what)
	case len(name) > limit:
		return fieldError(what, "the %s name has %d bytes, more than %d", what, len(name), limit)
	case !utf8.ValidString(name):
		return fieldError(what, "the %s name is not valid UTF-8", what)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) || unicode.IsSpace(r) || strings.ContainsRune("*?,", r) {
			return fieldError(what, "the %s name %q contains %q", what, name, r)
		}
	}
	return nil
}
