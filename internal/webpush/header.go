package webpush

import (
	"crypto/sha256"
	"encoding/base64"
)

// defaultUrgency makes a device receive the message at once, also one that saves energy
// (RFC 8030, section 5.3): a message that is sent has waited for its user.
const defaultUrgency = "high"

// Topic is the topic of a message with a collapse key: a push service replaces an earlier
// message of the subscription that it still has with the same topic. It is of at most 32
// characters of base64url (RFC 8030, section 5.4), and does not reveal the key.
func topic(channel, key string) string {
	sum := sha256.Sum256([]byte(channel + "\x00" + key))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}
