package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost"
)

// testKeys has one key of each kind.
type testKeys struct {
	rsa, otherRSA *rsa.PrivateKey
	ec            *ecdsa.PrivateKey
	ed            ed25519.PrivateKey
}

var makeTestKeys = sync.OnceValues(func() (*testKeys, error) {
	k := &testKeys{}
	var err1, err2, err3, err4 error
	k.rsa, err1 = rsa.GenerateKey(rand.Reader, 2048)
	k.otherRSA, err2 = rsa.GenerateKey(rand.Reader, 2048)
	k.ec, err3 = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, k.ed, err4 = ed25519.GenerateKey(rand.Reader)
	return k, errors.Join(err1, err2, err3, err4)
})

func newTestKeys(t *testing.T) *testKeys {
	t.Helper()
	k, err := makeTestKeys()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func kid(id string) map[string]any { return map[string]any{"kid": id} }

func (k *testKeys) rsaPEM(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// set encodes a key set of the named keys; each name is also the key's ID.
func (k *testKeys) set(t *testing.T, names ...string) []byte {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	list := []jwk{}
	for _, name := range names {
		switch name {
		case "ec":
			point, err := k.ec.PublicKey.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, jwk{Kty: "EC", Crv: "P-256", Kid: name, Alg: es256, X: encode(point[1:33]), Y: encode(point[33:])})
		case "ed":
			list = append(list, jwk{Kty: "OKP", Crv: "Ed25519", Kid: name, X: encode(k.ed.Public().(ed25519.PublicKey))})
		default:
			list = append(list, jwk{
				Kty: "RSA", Kid: name, Use: "sig", N: encode(k.rsa.N.Bytes()), E: encode(big.NewInt(int64(k.rsa.E)).Bytes()),
			})
		}
	}
	data, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (k *testKeys) file(t *testing.T, names ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, k.set(t, names...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// issuer is an http.RoundTripper that responds with a key set and counts requests.
type issuer struct {
	mu      sync.Mutex
	body    []byte
	status  int
	fetches int
	delay   time.Duration
}

func (i *issuer) RoundTrip(*http.Request) (*http.Response, error) {
	time.Sleep(i.delay)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetches++
	return &http.Response{
		StatusCode: i.status, Status: http.StatusText(i.status),
		Body: io.NopCloser(strings.NewReader(string(i.body))),
	}, nil
}

func (i *issuer) answer(status int, body []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status, i.body = status, body
}

func (i *issuer) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

func TestKeySetRefresh(t *testing.T) {
	keys := newTestKeys(t)
	synctest.Test(t, func(t *testing.T) {
		source := &issuer{status: 200, body: keys.set(t, "old"), delay: time.Second}
		v := newVerifier(t, Options{JWKS: "https://id.example/keys", Client: &http.Client{Transport: source}})
		verify := func(id string) error {
			token := makeToken(t, jwt.SigningMethodRS256, keys.rsa, kid(id), map[string]any{"sub": "42", "exp": in(time.Hour)})
			_, err := v.Verify(t.Context(), token)
			return err
		}
		check := func(when string, err error, code wirepost.Code, fetches int) {
			t.Helper()
			if err == nil && code != "" || err != nil && wirepost.AsError(err).Code != code {
				t.Errorf("%s: error %v, want code %q", when, err, code)
			}
			if got := source.count(); got != fetches {
				t.Errorf("%s: %d fetches, want %d", when, got, fetches)
			}
		}
		source.answer(200, keys.set(t, "old", "new"))
		check("a known key", verify("old"), "", 1)
		check("a new key too soon", verify("new"), wirepost.CodeUnauthorized, 1)

		time.Sleep(minRefresh)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if err := verify("new"); err != nil {
					t.Errorf("a new key: %v", err)
				}
			})
		}
		all.Wait()
		check("ten at once", verify("new"), "", 2)
		check("a wrong key", verify("wrong"), wirepost.CodeUnauthorized, 2)

		time.Sleep(minRefresh)
		source.answer(500, nil)
		check("the issuer fails", verify("newer"), wirepost.CodeUnavailable, 3)
		check("previous keys stay valid", verify("new"), "", 3)
		time.Sleep(minRefresh)
		check("back-off", verify("newer"), wirepost.CodeUnavailable, 3)
		source.answer(200, keys.set(t, "newer"))
		time.Sleep(minRefresh)
		check("the issuer is back", verify("newer"), "", 4)
		check("a removed key", verify("old"), wirepost.CodeUnauthorized, 4)
	})
}

// TestOldKeySet: a key removed from the set is rejected within an hour, and the keys stay
// valid while the issuer is down.
func TestOldKeySet(t *testing.T) {
	keys := newTestKeys(t)
	synctest.Test(t, func(t *testing.T) {
		source := &issuer{status: 200, body: keys.set(t, "rsa", "ec"), delay: time.Second}
		v := newVerifier(t, Options{JWKS: "https://id.example/keys", Client: &http.Client{Transport: source}})
		verify := func() error {
			_, err := v.Verify(t.Context(), makeToken(t, jwt.SigningMethodRS256, keys.rsa, kid("rsa"), map[string]any{"sub": "42", "exp": in(time.Hour)}))
			synctest.Wait()
			return err
		}
		time.Sleep(maxAge)
		source.answer(500, nil)
		for range 6 {
			if err := verify(); err != nil {
				t.Errorf("while the issuer is down: %v", err)
			}
			time.Sleep(2 * time.Second) // the fetch takes one
		}
		if got := source.count(); got != 2 {
			t.Errorf("%d fetches while it was down, want two: the first one and one that failed", got)
		}
		source.answer(200, keys.set(t, "ec"))
		time.Sleep(maxRefresh)
		if err := verify(); err != nil {
			t.Errorf("a handshake waited for the fetch: %v", err)
		}
		time.Sleep(2 * time.Second)
		if err := verify(); err == nil {
			t.Error("a removed key is still valid")
		}
	})
}

// TestReload: Reload reads the key set, and an invalid one changes nothing.
func TestReload(t *testing.T) {
	keys := newTestKeys(t)
	path := keys.file(t, "rsa", "ec")
	v := newVerifier(t, Options{JWKS: path})
	verify := func() error {
		_, err := v.Verify(t.Context(), makeToken(t, jwt.SigningMethodRS256, keys.rsa, kid("rsa"), map[string]any{"sub": "42", "exp": in(time.Hour)}))
		return err
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := v.Reload(t.Context()); err == nil {
		t.Error("a broken key set was taken")
	}
	if err := verify(); err != nil {
		t.Errorf("with the previous key set: %v", err)
	}
	if err := os.WriteFile(path, keys.set(t, "ec"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := v.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	if err := verify(); err == nil {
		t.Error("a key that was taken out is good still")
	}
	if err := newVerifier(t, Options{Secrets: []string{strings.Repeat("s", MinSecret)}}).Reload(t.Context()); err != nil {
		t.Errorf("without a key set: %v", err)
	}
}

// TestUnknownKeyFlood sends tokens with made-up keys for an hour: fetches are limited,
// whether the issuer is up or down, and tokens with a known key are not delayed.
func TestUnknownKeyFlood(t *testing.T) {
	keys := newTestKeys(t)
	for _, tc := range []struct {
		name string
		down bool
		most int
	}{
		{"the issuer is up", false, 1 + int(time.Hour/minRefresh)},
		{"the issuer is down", true, 1 + 6 + int(time.Hour/maxRefresh)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := &issuer{status: 200, body: keys.set(t, "rsa")}
				v := newVerifier(t, Options{JWKS: "https://id.example/keys", Client: &http.Client{Transport: source}})
				good := makeToken(t, jwt.SigningMethodRS256, keys.rsa, kid("rsa"), map[string]any{"sub": "42", "exp": in(2 * time.Hour)})
				parts := strings.SplitN(good, ".", 2)
				if tc.down {
					source.answer(503, nil)
				}
				for i := range 3600 {
					header := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"RS256","kid":"made-up-%d"}`, i))
					if _, err := v.Verify(t.Context(), header+"."+parts[1]); err == nil {
						t.Fatal("a token with a made-up key was accepted")
					}
					if _, err := v.Verify(t.Context(), good); err != nil {
						t.Fatalf("after %d s a good token was refused: %v", i, err)
					}
					time.Sleep(time.Second)
				}
				t.Logf("%d fetches", source.count())
				if got := source.count(); got > tc.most {
					t.Errorf("%d fetches in an hour, want at most %d", got, tc.most)
				}
			})
		})
	}
}

func TestKeySetOverHTTP(t *testing.T) {
	keys := newTestKeys(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { w.Write(keys.set(t, "ed")) })
	mux.HandleFunc("/huge", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, maxKeySet+1)) })
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") })
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, want := range map[string]string{
		"/keys": "", "/huge": "larger", "/page": "not a key set", "/missing": "404",
	} {
		_, err := New(Options{JWKS: server.URL + path, Client: server.Client()})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want …%s…", path, err, want)
		}
	}
}

func TestParseKeySet(t *testing.T) {
	keys := newTestKeys(t)
	small := base64.RawURLEncoding.EncodeToString(make([]byte, 128))
	off := base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("7", 32)))
	for _, tc := range []struct {
		name, set string
		want      string // part of the error
	}{
		{"all kinds", string(keys.set(t, "rsa", "ec", "ed")), ""},
		{"one usable among others", `{"keys":[{"kty":"oct","k":"AA"},` + strings.TrimPrefix(string(keys.set(t, "ed")), `{"keys":[`), ""},
		{"empty", `{"keys":[]}`, "it is empty"},
		{"no set", `[1]`, "not a key set"},
		{"a kid that is a number beside a good key", `{"keys":[{"kty":"RSA","kid":1},` + strings.TrimPrefix(string(keys.set(t, "ed")), `{"keys":[`), ""},
		{"entries of all kinds beside a good key", `{"keys":[null,1,"x",[],{"kty":["RSA"]},{"kid":"a","kid":"b"},` + strings.TrimPrefix(string(keys.set(t, "ed")), `{"keys":[`), ""},
		{"only a kid that is a number", `{"keys":[{"kty":"RSA","kid":1}]}`, "kid is not a string"},
		{"keys in capitals", `{"KEYS":[]}`, "it is empty"},
		{"keys twice", `{"keys":[],"keys":[]}`, "given twice"},
		{"secret", `{"keys":[{"kty":"oct","kid":"s","k":"AAAA"}]}`, `key "s": type "oct"`},
		{"for encryption", `{"keys":[{"kty":"RSA","use":"enc"}]}`, "not for signatures"},
		{"small RSA", `{"keys":[{"kty":"RSA","n":"` + small + `","e":"AQAB"}]}`, "RSA key of 0 bits"},
		{"other curve", `{"keys":[{"kty":"EC","crv":"P-384"}]}`, "P-384 is not supported"},
		{"off the curve", `{"keys":[{"kty":"EC","crv":"P-256","x":"` + off + `","y":"` + off + `"}]}`, "key"},
		{"short Ed25519", `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}`, "3 bytes"},
		{"other algorithm", strings.Replace(string(keys.set(t, "ec")), es256, "ES512", 1), "ES512 is not supported"},
		{"too many", `{"keys":[` + strings.Repeat(`{},`, maxKeys) + `{}]}`, "101 keys"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parseKeySet([]byte(tc.set))
			if tc.want == "" {
				if err != nil || len(got) == 0 {
					t.Fatalf("got %v, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want …%s…", err, tc.want)
			}
		})
	}
}
