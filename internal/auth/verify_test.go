package auth

import (
	"context"
	"crypto"
	"encoding/base64"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
)

const testSecret = "0123456789abcdef0123456789abcdef"

// makeToken signs claims with any method and header, so that tests can make
// tokens that Sign would not.
func makeToken(t *testing.T, method jwt.SigningMethod, key any, header map[string]any, c map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims(c))
	for name, value := range header {
		token.Header[name] = value
	}
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func in(d time.Duration) int64 { return time.Now().Add(d).Unix() }

func newVerifier(t *testing.T, o Options) *Verifier {
	t.Helper()
	v, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerifyIdentity(t *testing.T) {
	v := newVerifier(t, Options{Secrets: []string{strings.Repeat("x", 32), testSecret}})
	want := wirepost.Identity{
		User: "42", Device: "d1", Channels: []string{"room:7"},
		Subscribe: []string{"news", "room:*"}, Publish: []string{"*"},
		Expires: time.Now().Add(time.Hour).Truncate(time.Second),
	}
	token, err := Sign(testSecret, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

func TestVerifyRefuses(t *testing.T) {
	keys := newTestKeys(t)
	both := newVerifier(t, Options{Secrets: []string{testSecret}, JWKS: keys.file(t, "rsa", "ec", "ed")})
	secretOnly := newVerifier(t, Options{Secrets: []string{testSecret}})

	good := func() map[string]any { return map[string]any{"sub": "42", "exp": in(time.Hour)} }
	with := func(name string, value any) map[string]any {
		c := good()
		c[name] = value
		return c
	}
	without := func(name string) map[string]any {
		c := good()
		delete(c, name)
		return c
	}
	signed := func(c map[string]any) string {
		return makeToken(t, jwt.SigningMethodHS256, []byte(testSecret), nil, c)
	}
	valid := signed(good())
	parts := strings.Split(valid, ".")
	encode := base64.RawURLEncoding.EncodeToString

	for _, tc := range []struct {
		name     string
		verifier *Verifier
		token    string
		want     string // part of the message
	}{
		{"empty", both, "", "a token is needed"},
		{"no JWT", both, "hello", "malformed"},
		{"four parts", both, valid + ".x", "malformed"},
		{"bad base64", both, "%%." + parts[1] + "." + parts[2], "malformed"},
		{"claims that are no JSON", both, parts[0] + "." + encode([]byte("hi")) + "." + parts[2], "malformed"},
		{"changed claims", both, parts[0] + "." + encode([]byte(`{"sub":"1","exp":99999999999}`)) + "." + parts[2], "signature is wrong"},
		{"no signature", both, parts[0] + "." + parts[1] + ".", "signature is wrong"},
		{"other secret", both, makeToken(t, jwt.SigningMethodHS256, []byte(strings.Repeat("y", 32)), nil, good()), "signature is wrong"},
		{"none", both, makeToken(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, good()), "signed with none"},
		{"unknown algorithm", both, encode([]byte(`{"alg":"XX1"}`)) + "." + parts[1] + "." + parts[2], "no known signing algorithm"},
		{"no algorithm", both, encode([]byte(`{}`)) + "." + parts[1] + "." + parts[2], "no known signing algorithm"},
		{"HS512 with the secret", both, makeToken(t, jwt.SigningMethodHS512, []byte(testSecret), nil, good()), "signed with HS512"},
		{"RS512 with the key", both, makeToken(t, jwt.SigningMethodRS512, keys.rsa, kid("rsa"), good()), "signed with RS512"},
		{"PS256 with the key", both, makeToken(t, jwt.SigningMethodPS256, keys.rsa, kid("rsa"), good()), "signed with PS256"},
		{"public key as secret", both, makeToken(t, jwt.SigningMethodHS256, keys.rsaPEM(t), kid("rsa"), good()), "signature is wrong"},
		{"RS256 without a key set", secretOnly, makeToken(t, jwt.SigningMethodRS256, keys.rsa, kid("rsa"), good()), "signed with RS256"},
		{"key of another type", both, makeToken(t, jwt.SigningMethodRS256, keys.rsa, kid("ec"), good()), `key "ec" is not for RS256`},
		{"unknown key", both, makeToken(t, jwt.SigningMethodRS256, keys.rsa, kid("new"), good()), `key "new" is unknown`},
		{"wrong key", both, makeToken(t, jwt.SigningMethodRS256, keys.otherRSA, kid("rsa"), good()), "signature is wrong"},
		{"crit", both, makeToken(t, jwt.SigningMethodHS256, []byte(testSecret), map[string]any{"crit": []string{"b64"}}, good()), "crit"},
		{"expired", both, signed(with("exp", in(-time.Hour))), "expired at 20"},
		{"not yet valid", both, signed(with("nbf", in(time.Hour))), "not valid before 20"},
		{"no exp", both, signed(without("exp")), "no exp"},
		{"exp as text", both, signed(with("exp", "tomorrow")), "malformed"},
		{"no sub", both, signed(without("sub")), "no sub"},
		{"empty sub", both, signed(with("sub", "")), "no sub"},
		{"sub is a number", both, signed(with("sub", 42)), "sub must be a string, not number"},
		{"sub with a space", both, signed(with("sub", "a b")), "user name"},
		{"bad device", both, signed(with("device", "a*")), "device name"},
		{"bad channel", both, signed(with("channels", []string{"room:7", ""})), "channel name"},
		{"channels as text", both, signed(with("channels", "room:7")), "channels must be a list of strings, not string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id, err := tc.verifier.Verify(t.Context(), tc.token)
			if err == nil {
				t.Fatalf("accepted as %+v", id)
			}
			e := wirepost.AsError(err)
			if e.Code != wirepost.Unauthorized || !strings.Contains(e.Message, tc.want) {
				t.Errorf("got %s: %s; want unauthorized: …%s…", e.Code, e.Message, tc.want)
			}
			if id.User != "" {
				t.Errorf("an identity came with the error: %+v", id)
			}
		})
	}
}

func TestVerifyWithoutExpiry(t *testing.T) {
	v := newVerifier(t, Options{Secrets: []string{testSecret}, NoExpiry: true})
	forever := makeToken(t, jwt.SigningMethodHS256, []byte(testSecret), nil, map[string]any{"sub": "42"})
	id, err := v.Verify(t.Context(), forever)
	if err != nil || !id.Expires.IsZero() {
		t.Errorf("got %+v, %v", id, err)
	}
	old := makeToken(t, jwt.SigningMethodHS256, []byte(testSecret), nil, map[string]any{"sub": "42", "exp": in(-time.Hour)})
	if _, err := v.Verify(t.Context(), old); err == nil {
		t.Error("an expired token was accepted")
	}
}

func TestVerifyPublicKeys(t *testing.T) {
	keys := newTestKeys(t)
	v := newVerifier(t, Options{JWKS: keys.file(t, "rsa", "ec", "ed")})
	for _, tc := range []struct {
		id     string
		method jwt.SigningMethod
		key    crypto.PrivateKey
	}{
		{"rsa", jwt.SigningMethodRS256, keys.rsa},
		{"ec", jwt.SigningMethodES256, keys.ec},
		{"ed", jwt.SigningMethodEdDSA, keys.ed},
	} {
		for _, header := range []map[string]any{kid(tc.id), nil} {
			token := makeToken(t, tc.method, tc.key, header, map[string]any{"sub": "42", "exp": in(time.Hour)})
			id, err := v.Verify(t.Context(), token)
			if err != nil || id.User != "42" {
				t.Errorf("%s with header %v: %+v, %v", tc.id, header, id, err)
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		options Options
		want    string
	}{
		{Options{}, "is needed"},
		{Options{Secrets: []string{"short"}}, "has 5 bytes"},
		{Options{JWKS: "testdata/missing.json"}, "testdata/missing.json"},
		{Options{JWKS: "http://127.0.0.1:1/keys"}, "http://127.0.0.1:1/keys"},
	} {
		if _, err := New(tc.options); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: got %v, want …%s…", tc.options, err, tc.want)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	end := time.Now().Add(time.Hour)
	for _, tc := range []struct {
		secret string
		id     wirepost.Identity
		want   string
	}{
		{"short", wirepost.Identity{User: "42", Expires: end}, "has 5 bytes"},
		{testSecret, wirepost.Identity{User: "42"}, "needs an end"},
		{testSecret, wirepost.Identity{Expires: end}, "user name is needed"},
		{testSecret, wirepost.Identity{User: "4 2", Expires: end}, "user name"},
	} {
		if _, err := Sign(tc.secret, tc.id); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: got %v, want …%s…", tc.id, err, tc.want)
		}
	}
}

func TestDev(t *testing.T) {
	authenticate := Dev()
	id, err := authenticate(httptest.NewRequest("GET", "/ws?user=42", nil))
	want := wirepost.Identity{User: "42", Subscribe: []string{"*"}, Publish: []string{"*", "user:42"}}
	if diff := cmp.Diff(want, id); diff != "" || err != nil {
		t.Errorf("error %v, identity (-want +got):\n%s", err, diff)
	}
	_, err = authenticate(httptest.NewRequest("GET", "http://localhost:8080/ws", nil))
	if e := wirepost.AsError(err); e.Code != wirepost.Unauthorized || !strings.Contains(e.Message, "ws://localhost:8080/ws?user=42") {
		t.Errorf("without a user: %v", err)
	}
	_, err = authenticate(httptest.NewRequest("GET", "/ws?user=a%20b", nil))
	if e := wirepost.AsError(err); e.Code != wirepost.BadRequest {
		t.Errorf("with a bad user: %v", err)
	}
}

// FuzzVerify looks for panics: a token is the first thing that strangers send.
func FuzzVerify(f *testing.F) {
	v, err := New(Options{Secrets: []string{testSecret}})
	if err != nil {
		f.Fatal(err)
	}
	token, err := Sign(testSecret, wirepost.Identity{User: "42", Expires: time.Now().Add(time.Hour)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add("e30.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := v.Verify(context.Background(), s)
		if err == nil && id.User != "42" {
			t.Errorf("%q is accepted as %+v", s, id)
		}
	})
}
