package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/bearer"
)

// Scope is what an API key permits.
type Scope uint8

// The scopes. Admin includes Push and Read.
const (
	Push  Scope = 1 << iota // POST /v1/push and /v1/push/{channel}, DELETE /v1/scheduled/{id}
	Read                    // every GET, /metrics included, except for /v1/config
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

// Has reports whether the scopes include these.
func (s Scope) Has(need Scope) bool { return s&Admin != 0 || s&need == need }

// Key is an API key: what backends send, and what it permits.
type Key struct {
	Secret string
	Scope  Scope
}

// ParseKey reads a key as Options.Keys has it: "SECRET" permits everything,
// "push:SECRET" and "push+read:SECRET" permit what they name. Errors do not contain the
// key.
func ParseKey(text string) (Key, error) {
	k := Key{Secret: text, Scope: Admin}
	if scopes, secret, scoped := strings.Cut(text, ":"); scoped {
		k = Key{Secret: secret}
		for name := range strings.SplitSeq(scopes, "+") {
			scope := scopeOf(name)
			if scope == 0 {
				return Key{}, errors.New("the scopes before the colon of a key are push, read or admin, joined by + (a key that contains a colon is written admin:KEY)")
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

// knownKey is a key that requests are compared with. Only its hash is kept, whose length
// does not depend on the key, so that a comparison reveals nothing about either.
type knownKey struct {
	hash  [sha256.Size]byte
	scope Scope
	pace  *pace // of its pushes; nil: any
}

// keyring holds the API keys.
type keyring []knownKey

// newKeyring parses the keys. It panics if one is invalid, such as the value of an unset
// environment variable: without it, every request would be refused.
func newKeyring(keys []string, rate int) keyring {
	var ring keyring
	for i, text := range keys {
		k, err := ParseKey(text)
		if err != nil {
			panic(fmt.Sprintf("httpapi: Options.Keys[%d]: %v", i, err))
		}
		ring = append(ring, knownKey{sha256.Sum256([]byte(k.Secret)), k.Scope, newPace(rate)})
	}
	return ring
}

// find returns the key that a request carries, or nil. It always compares with all of
// them, so that it always takes the same time.
func (ring keyring) find(h http.Header) *knownKey {
	key, _ := bearer.Token(h)
	var room [128]byte // on the stack
	given := sha256.Sum256(append(room[:0], key...))
	found := -1
	for i := range ring {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(ring[i].hash[:], given[:]), i, found)
	}
	if found < 0 {
		return nil
	}
	return &ring[found]
}

func refusedKey(h http.Header) error {
	if key, _ := bearer.Token(h); key == "" {
		return wirepost.Errorf(wirepost.CodeUnauthorized, "an API key is needed, as Authorization: Bearer KEY")
	}
	return wirepost.Errorf(wirepost.CodeUnauthorized, "unknown API key")
}

func refusedScope(has, need Scope) error {
	return wirepost.Errorf(wirepost.CodeForbidden, "this API key has the scope %s, and this request needs the scope %s", has, need)
}
