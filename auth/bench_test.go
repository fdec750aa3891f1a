package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost"
)

// BenchmarkVerify measures the cost of a valid token, and of forged ones, which anyone can
// send at any rate.
func BenchmarkVerify(b *testing.B) {
	keys, err := makeTestKeys()
	if err != nil {
		b.Fatal(err)
	}
	otherEC, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, otherEd, err2 := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		b.Fatal(err)
	}
	v := &Verifier{parser: jwt.NewParser(), methods: []string{hs256, rs256, es256, edDSA}, keys: &keySet{}}
	v.secrets.Keys = []jwt.VerificationKey{[]byte(testSecret)}
	v.keys.mu.keys = []publicKey{
		{"rsa", rs256, &keys.rsa.PublicKey},
		{"ec", es256, &keys.ec.PublicKey},
		{"ed", edDSA, keys.ed.Public()},
	}
	v.keys.mu.next = time.Now().Add(time.Hour)
	good, err := Sign(testSecret, wirepost.Identity{User: "42", Expires: time.Now().Add(time.Hour)})
	if err != nil {
		b.Fatal(err)
	}
	forge := func(method jwt.SigningMethod, kid string, key any) string {
		t := jwt.NewWithClaims(method, jwt.MapClaims{"sub": "42", "exp": time.Now().Add(time.Hour).Unix()})
		t.Header["kid"] = kid
		s, err := t.SignedString(key)
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	for _, tt := range []struct{ name, token string }{
		{"good", good},
		{"nonsense", strings.Repeat("x", 500)},
		{"forged/HS256", forge(jwt.SigningMethodHS256, "", []byte(strings.Repeat("y", 32)))},
		{"forged/RS256", forge(jwt.SigningMethodRS256, "rsa", keys.otherRSA)},
		{"forged/ES256", forge(jwt.SigningMethodES256, "ec", otherEC)},
		{"forged/EdDSA", forge(jwt.SigningMethodEdDSA, "ed", otherEd)},
		{"unknown key", forge(jwt.SigningMethodRS256, "new", keys.otherRSA)},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Verify(b.Context(), tt.token) //nolint:errcheck // most are refused
			}
		})
	}
}
