package auth

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost"
)

const testSecret = "0123456789abcdef0123456789abcdef"

// makeToken signs claims with any method and header, for tokens that Sign would not make.
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
		Subscribe: []string{"news", "room:*"}, Publish: []string{"*"}, Info: json.RawMessage(`{"name":"Ada"}`),
		Expires: time.Now().Add(time.Hour).Truncate(time.Second),
	}
	before := time.Now().Truncate(time.Second)
	token, err := Sign(testSecret, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if got.Issued.Before(before) || got.Issued.After(time.Now()) {
		t.Errorf("issued %s, just now", got.Issued)
	}
	want.Issued = got.Issued
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

	rawJWT := func(header, claims string) string {
		text := encode([]byte(header)) + "." + encode([]byte(claims))
		mac, err := jwt.SigningMethodHS256.Sign(text, []byte(testSecret))
		if err != nil {
			t.Fatal(err)
		}
		return text + "." + encode(mac)
	}
	raw := func(claims string) string { return rawJWT(`{"alg":"HS256","typ":"JWT"}`, claims) }

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
		{"expired before the leeway", both, signed(with("exp", in(-Leeway-2*time.Second))), "expired at 20"},
		{"not yet valid", both, signed(with("nbf", in(time.Hour))), "not valid before 20"},
		{"not yet valid within the leeway", both, signed(with("nbf", in(Leeway+3*time.Second))), "not valid before 20"},
		{"from the future", both, signed(with("iat", in(time.Hour))), "issued at 20"},
		{"iat as text", both, signed(with("iat", "now")), "iat must be a number of seconds"},
		{"too long", both, signed(with("x", strings.Repeat("x", maxToken))), "more than 16384"},
		{"no exp", both, signed(without("exp")), "no exp"},
		{"exp as text", both, signed(with("exp", "tomorrow")), "exp must be a number of seconds"},
		{"exp out of range", both, raw(`{"sub":"42","exp":1e16}`), "exp must be a number of seconds since 1970, up to the year 9999, not 1e16"},
		{"exp in milliseconds", both, raw(`{"sub":"42","exp":1789003600000}`), "exp must be a number of seconds"},
		{"exp beyond a float64", both, raw(`{"sub":"42","exp":1e999}`), "exp must be a number of seconds"},
		{"nbf beyond an int64", both, raw(`{"sub":"42","exp":9999999999,"nbf":1e20}`), "nbf must be a number of seconds"},
		{"nbf just beyond an int64", both, raw(`{"sub":"42","exp":9999999999,"nbf":9223372036854775808}`), "nbf must be a number of seconds"},
		{"iat before 1970", both, raw(`{"sub":"42","exp":9999999999,"iat":-1e20}`), "iat must be a number of seconds"},
		{"SUB for sub", both, raw(`{"SUB":"admin","exp":9999999999}`), "no sub"},
		{"sub twice", both, raw(`{"sub":"42","sub":"admin","exp":9999999999}`), "claim sub appears twice"},
		{"sub twice, once escaped", both, raw(`{"sub":"42","s\u0075b":"admin","exp":9999999999}`), "claim sub appears twice"},
		{"half a character in sub", both, raw(`{"sub":"a\ud800","exp":9999999999}`), "claim sub is not valid Unicode"},
		{"bytes that are not UTF-8 in sub", both, raw("{\"sub\":\"a\xff\",\"exp\":9999999999}"), "claim sub is not valid Unicode"},
		{"alg twice", both, rawJWT(`{"alg":"none","alg":"HS256"}`, `{"sub":"42","exp":9999999999}`), "header is malformed"},
		{"no sub", both, signed(without("sub")), "no sub"},
		{"empty sub", both, signed(with("sub", "")), "no sub"},
		{"sub is a number", both, signed(with("sub", 42)), "the token's claim sub must be a string, not 42"},
		{"sub with a space", both, signed(with("sub", "a b")), "user name"},
		{"bad device", both, signed(with("device", "a*")), "device name"},
		{"bad channel", both, signed(with("channels", []string{"room:7", ""})), "channel name"},
		{"large info", both, signed(with("info", strings.Repeat("x", 1023))), "info has 1025 bytes"},
		{"channels as text", both, signed(with("channels", "room:7")), "channels must be a list of strings, not a string"},
		{"a number in channels", both, signed(with("channels", []any{"room:7", 7})), "channels must be a list of strings, not a list with 7"},
		{"a list in publish", both, signed(with("publish", []any{[]any{}})), "publish must be a list of strings, not a list with a list"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id, err := tc.verifier.Verify(t.Context(), tc.token)
			if err == nil {
				t.Fatalf("accepted as %+v", id)
			}
			e := wirepost.AsError(err)
			if e.Code != wirepost.CodeUnauthorized || !strings.Contains(e.Message, tc.want) {
				t.Errorf("got %s: %s; want unauthorized: …%s…", e.Code, e.Message, tc.want)
			}
			if id.User != "" {
				t.Errorf("an identity was returned with the error: %+v", id)
			}
		})
	}
}

// TestVerifyLeeway: tokens of clocks that are slightly off are accepted. If the token has
// just expired, the identity's expiry is still in the future, as the server requires.
func TestVerifyLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t, Options{Secrets: []string{testSecret}})
		verify := func(exp, nbf, iat time.Duration) (wirepost.Identity, error) {
			return v.Verify(t.Context(), makeToken(t, jwt.SigningMethodHS256, []byte(testSecret), nil,
				map[string]any{"sub": "42", "exp": in(exp), "nbf": in(nbf), "iat": in(iat)}))
		}
		id, err := verify(time.Second, Leeway, Leeway)
		if !id.Issued.Equal(time.Now().Add(Leeway)) {
			t.Errorf("issued %s", id.Issued)
		}
		if err != nil || !id.Expires.Equal(time.Now().Add(time.Second)) {
			t.Errorf("the issuer's clock is ahead: %v, %v", id.Expires, err)
		}
		id, err = verify(time.Second-Leeway, 0, 0)
		if err != nil || !id.Expires.Equal(time.Now().Add(time.Second)) {
			t.Errorf("the issuer's clock is behind: %v, %v", id.Expires, err)
		}
		if id, err := verify(-Leeway, 0, 0); err == nil {
			t.Errorf("an expired token was accepted as %+v", id)
		}
	})
}

// TestVerifyAudienceAndIssuer requires the aud and iss claims: a secret or an identity
// provider may serve several services.
func TestVerifyAudienceAndIssuer(t *testing.T) {
	v := newVerifier(t, Options{Secrets: []string{testSecret}, Audiences: []string{"push", "https://push.example"}, Issuer: "https://id.example"})
	const iss = "https://id.example"
	for _, tc := range []struct {
		name     string
		aud, iss any
		want     string // part of the refusal; "" for none
	}{
		{"right", "push", iss, ""},
		{"the other", "https://push.example", iss, ""},
		{"among others", []string{"mail", "push"}, iss, ""},
		{"no audience", nil, iss, "aud has to name push or https://push.example"},
		{"empty audience", "", iss, "aud has to name"},
		{"empty list", []string{}, iss, "aud has to name"},
		{"wrong audience", "mail", iss, "aud has to name"},
		{"a part of it", "pus", iss, "aud has to name"},
		{"audience is a number", 7, iss, "aud must be a string or a list of strings, not 7"},
		{"no issuer", "push", nil, "iss has to be https://id.example"},
		{"wrong issuer", "push", "https://id.example.evil", "iss has to be"},
		{"issuer is a list", "push", []string{iss}, "iss must be a string"},
		{"neither", nil, nil, "aud has to name"},
	} {
		c := map[string]any{"sub": "42", "exp": in(time.Hour), "aud": tc.aud, "iss": tc.iss}
		maps.DeleteFunc(c, func(_ string, value any) bool { return value == nil })
		id, err := v.Verify(t.Context(), makeToken(t, jwt.SigningMethodHS256, []byte(testSecret), nil, c))
		switch {
		case tc.want == "" && (err != nil || id.User != "42"):
			t.Errorf("%s: %+v, %v", tc.name, id, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: got %v, want …%s…", tc.name, err, tc.want)
		}
	}
	token, err := SignFor(testSecret, wirepost.Identity{User: "42", Expires: time.Now().Add(time.Hour)}, []string{"mail", "push"}, iss)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := v.Verify(t.Context(), token); err != nil || id.User != "42" {
		t.Errorf("SignFor: %+v, %v", id, err)
	}
	forever := newVerifier(t, Options{Secrets: []string{testSecret}, Issuer: iss, NoExpiry: true})
	_, err = forever.Verify(t.Context(), makeToken(t, jwt.SigningMethodHS256, []byte(testSecret), nil, map[string]any{"sub": "42"}))
	if err == nil || !strings.Contains(err.Error(), "iss has to be") {
		t.Errorf("without an expiry and an issuer: %v", err)
	}
}

// TestVerifyRotation rotates a secret: for a while both are valid, then only the new one.
func TestVerifyRotation(t *testing.T) {
	const second = "fedcba9876543210fedcba9876543210"
	sign := func(secret string) string {
		token, err := Sign(secret, wirepost.Identity{User: "42", Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	tokens := map[string]string{"first": sign(testSecret), "second": sign(second)}
	for _, step := range []struct {
		secrets []string
		good    []string
	}{
		{[]string{testSecret}, []string{"first"}},
		{[]string{testSecret, second}, []string{"first", "second"}},
		{[]string{second, testSecret}, []string{"first", "second"}},
		{[]string{second}, []string{"second"}},
	} {
		v := newVerifier(t, Options{Secrets: step.secrets})
		for name, token := range tokens {
			if _, err := v.Verify(t.Context(), token); (err == nil) != slices.Contains(step.good, name) {
				t.Errorf("with %d secrets, %v good: the %s token: %v", len(step.secrets), step.good, name, err)
			}
		}
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
		{testSecret, wirepost.Identity{User: "42"}, "needs an expiry"},
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
	if e := wirepost.AsError(err); e.Code != wirepost.CodeUnauthorized || !strings.Contains(e.Message, "ws://localhost:8080/ws?user=42") {
		t.Errorf("without a user: %v", err)
	}
	for _, query := range []string{"user=a%20b", "user=42&user=43", "user=&user=43"} {
		_, err = authenticate(httptest.NewRequest("GET", "/ws?"+query, nil))
		if e := wirepost.AsError(err); e.Code != wirepost.CodeBadRequest {
			t.Errorf("with %s: %v", query, err)
		}
	}
}

// FuzzVerify looks for panics: a token is untrusted input.
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
	f.Add("eyJhbGciOiJub25lIn0.eyJzdWIiOiI0MiIsImV4cCI6OTk5OTk5OTk5OX0.")
	f.Add("eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiYjY0Il19.eyJzdWIiOiI0MiJ9.AAAA")
	f.Add("eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjFlMzAwfQ.AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := v.Verify(context.Background(), s)
		if err == nil && id.User != "42" {
			t.Errorf("%q was accepted as %+v", s, id)
		}
	})
}

// TestClaimsAreReadExactly: only sub names the user, not claims with a similar name.
func TestClaimsAreReadExactly(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, Options{Secrets: []string{testSecret}})
	for _, claims := range []string{
		`{"sub":"42","SUB":"admin","Sub":"admin","exp":9999999999,"EXP":1,"Channels":["secret"]}`,
		`{"SUB":"admin","sub":"42","exp":9999999999.9,"x":{"sub":"admin"},"channels":null}`,
	} {
		text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
		mac, err := jwt.SigningMethodHS256.Sign(text, []byte(testSecret))
		if err != nil {
			t.Fatal(err)
		}
		id, err := v.Verify(t.Context(), text+"."+base64.RawURLEncoding.EncodeToString(mac))
		if err != nil || id.User != "42" || len(id.Channels) > 0 || id.Expires.Unix() != 9999999999 {
			t.Errorf("%s: %+v, %v", claims, id, err)
		}
	}
}
