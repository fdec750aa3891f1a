package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"github.com/wirepost/wirepost"
)

// Scope is what an API key opens.
type Scope uint8

// The scopes. Admin opens what Push and Read open, too.
const (
	Push  Scope = 1 << iota // POST /v1/push and /v1/push/{channel}
	Read                    // every GET, /metrics included
	Admin                   // everything
)

var scopeNames = []struct {
	name  string
	scope Scope
}{{"push", Push}, {"read", Read}, {"admin", Admin}}

// String names the scopes as ParseKey reads them.
func (s Scope) String() string {
	var names []string
	for _, n := range scopeNames {
		if s&n.scope != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, "+")
}

// Has says whether the scopes open what needs these.
func (s Scope) Has(need Scope) bool { return s&Admin != 0 || s&need == need }

// Key is an API key: what backends send, and what that opens.
type Key struct {
	Secret string
	Scope  Scope
}

// ParseKey reads a key as Options.Keys has it: "SECRET" opens everything,
// "push:SECRET" and "push+read:SECRET" what they name. Its errors do not repeat
// the key.
func ParseKey(text string) (Key, error) {
	k := Key{Secret: text, Scope: Admin}
	if scopes, secret, scoped := strings.Cut(text, ":"); scoped {
		k = Key{Secret: secret}
		for name := range strings.SplitSeq(scopes, "+") {
			scope := scopeOf(name)
			if scope == 0 {
				return Key{}, errors.New("before the colon of a key stand its scopes, push, read or admin, with + between them (a key with a colon in it is written admin:KEY)")
			}
			k.Scope |= scope
		}
	}
	if k.Secret == "" {
		return Key{}, errors.New("the key is empty")
	}
	for _, b := range []byte(k.Secret) {
		if b <= ' ' || b > '~' {
			return Key{}, errors.New("the key has characters that a header cannot carry: make one with `openssl rand -hex 32`")
		}
	}
	return k, nil
}

func scopeOf(name string) Scope {
	for _, n := range scopeNames {
		if n.name == name {
			return n.scope
		}
	}
	return 0
}

// knownKey is a key that requests are compared with. Only its hash is kept, which
// has the same length whatever the key's, so that comparing tells nothing of
// either.
type knownKey struct {
	hash  [sha256.Size]byte
	scope Scope
	pace  *pace // of its pushes; nil: any
}

// keyring holds the API keys.
type keyring []knownKey

// newKeyring passes over what is no key: an empty setting must not open the door.
func newKeyring(keys []string, rate int) keyring {
	var ring keyring
	for _, text := range keys {
		if k, err := ParseKey(text); err == nil {
			ring = append(ring, knownKey{sha256.Sum256([]byte(k.Secret)), k.Scope, newPace(rate)})
		}
	}
	return ring
}

// find gives the key that a request carries, or nil. It always takes the time of
// comparing with all of them.
func (ring keyring) find(h http.Header) *knownKey {
	given := sha256.Sum256([]byte(bearer(h)))
	found := -1
	for i := range ring {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(ring[i].hash[:], given[:]), i, found)
	}
	if found < 0 {
		return nil
	}
	return &ring[found]
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
		return wirepost.Errorf(wirepost.CodeUnauthorized, "an API key is needed, as Authorization: Bearer KEY")
	}
	return wirepost.Errorf(wirepost.CodeUnauthorized, "this API key is not known here")
}

func refusedScope(has, need Scope) error {
	return wirepost.Errorf(wirepost.CodeForbidden, "this API key is for %s alone, and this needs the scope %s", has, need)
}
