package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/wirepost/wirepost"
)

// keyring holds the hashes of the API keys. A hash has the same length whatever
// the key's, so that comparing tells nothing of either.
type keyring [][sha256.Size]byte

func newKeyring(keys []string) keyring {
	var k keyring
	for _, key := range keys {
		if key != "" { // else an empty setting would open the door
			k = append(k, sha256.Sum256([]byte(key)))
		}
	}
	return k
}

// allow says whether a request carries one of the keys. It always takes the time
// of comparing with all of them.
func (k keyring) allow(h http.Header) bool {
	given := sha256.Sum256([]byte(bearer(h)))
	found := 0
	for i := range k {
		found |= subtle.ConstantTimeCompare(k[i][:], given[:])
	}
	return found == 1
}

// bearer is the key of the Authorization header (RFC 6750 §2.1), "" if there is
// none.
func bearer(h http.Header) string {
	scheme, key, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}

func refusedKey(h http.Header) error {
	if bearer(h) == "" {
		return wirepost.Errorf(wirepost.Unauthorized, "an API key is needed, as Authorization: Bearer KEY")
	}
	return wirepost.Errorf(wirepost.Unauthorized, "this API key is not known here")
}
