package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want Key
	}{
		{"secret", Key{"secret", Admin}},
		{"push:secret", Key{"secret", Push}},
		{"read:secret", Key{"secret", Read}},
		{"admin:secret", Key{"secret", Admin}},
		{"push+read:secret", Key{"secret", Push | Read}},
		{"read+push:a:b", Key{"a:b", Push | Read}},
		{"push", Key{"push", Admin}},
		{"", Key{}},
		{"push:", Key{}},
		{":secret", Key{}},
		{"psuh:secret", Key{}},
		{"push+:secret", Key{}},
		{"Push:secret", Key{}},
		{"push,read:secret", Key{}},
		{"push:sec ret", Key{}},
		{"sécret", Key{}},
	} {
		got, err := ParseKey(tt.text)
		if got != tt.want || (err == nil) != (tt.want != Key{}) {
			t.Errorf("%q: %+v, %v", tt.text, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the error repeats the key: %v", tt.text, err)
		}
	}
}

// mayPush reports whether a route is for pushing, or for canceling what was to be pushed.
func mayPush(path, method string) bool {
	return strings.HasPrefix(path, "/v1/push") || method == "DELETE" && strings.HasPrefix(path, "/v1/scheduled/")
}

// mayRead reports whether a route only reads, and nothing that is for administrators.
func mayRead(path, method string) bool { return method == "GET" && path != "/v1/config" }

// TestScopes tests every route with every kind of key. A key without the scope is refused
// before anything else in the request is checked.
func TestScopes(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	s := serveHandler(t, New(srv, Options{
		Keys:   []string{"push:p-key", "read:r-key", "admin:a-key", "push+read:pr-key", "plain-key"},
		Logger: slog.New(slog.DiscardHandler),
	}), nil)
	for _, rt := range routes {
		path := strings.NewReplacer("{user}", "u", "{channel...}", "c", "{channel}", "c", "{seq}", "1").Replace(rt.path)
		for _, m := range rt.methods {
			opened := map[string]bool{
				"p-key": mayPush(path, m.name), "r-key": mayRead(path, m.name),
				"pr-key": mayPush(path, m.name) || mayRead(path, m.name),
				"a-key":  true, "plain-key": true,
			}
			for key, open := range opened {
				a := s.do(m.name, path, "", "Authorization: Bearer "+key)
				if open != (a.status != 401 && a.status != 403) && !rt.public {
					t.Errorf("%s with %s: %d %s", a.what, key, a.status, a.body)
				}
				if a.status == 403 && !strings.Contains(a.problem(403, "").Detail, "needs the scope ") {
					t.Errorf("%s with %s: %s", a.what, key, a.body)
				}
			}
		}
	}
	s.do("HEAD", "/v1/stats", "", "Authorization: Bearer r-key").is(200)
	s.do("HEAD", "/v1/stats", "", "Authorization: Bearer p-key").is(403)
	// The scopes are not part of the key.
	s.do("GET", "/v1/stats", "", "Authorization: Bearer read:r-key").problem(401, "")
}

// TestGuessedKeys sends strings that are almost a key. All responses are the same, so that
// they do not reveal how close the guess was.
func TestGuessedKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	want := ""
	for _, guess := range []string{
		"x", testKey[:len(testKey)-1], testKey + "x", strings.ToUpper(testKey), "x" + testKey[1:], testKey[:len(testKey)-1] + "x",
		testKey + "\tanother", "\"" + testKey + "\"", strings.Repeat("x", 8<<10),
	} {
		a := s.do("GET", "/v1/stats", "", "Authorization: Bearer "+guess)
		a.problem(401, "")
		if want == "" {
			want = string(a.body)
		}
		if string(a.body) != want {
			t.Errorf("%.40q: %s, not %s", guess, a.body, want)
		}
	}
}

// TestPaths looks for a path that bypasses the key: every spelling that is accepted as a
// route needs the key, and every other is not found.
func TestPaths(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{
		"/v1/stats", "/v1/stats?x=/healthz", "/v1/channels/%2e%2e", "/v1/channels/..",
		"/v1/users/..%2f..%2fhealthz", "/v1/push/..%2f..%2fhealthz",
	} {
		s.do("DELETE", path, "", "Authorization: ").problem(401, "")
	}
	for _, path := range []string{
		"/%761/stats", "/v1/%73tats", "//v1/stats", "/v1//stats", "/v1/./stats", "/healthz/../v1/stats", "/v1/../v1/stats", "/V1/stats", "/v1/stats/",
		"/v1/stats;x=1", "/v1/stats%00", "/v1%2fstats", "/healthz%2f..%2fv1%2fstats", "/metrics/", "/v1/users//messages",
	} {
		for _, key := range []string{"Authorization: ", "Authorization: Bearer " + testKey} {
			s.do("GET", path, "", key).problem(404, "")
		}
	}
}

func TestRevokeTokens(t *testing.T) {
	t.Parallel()
	const now = 1600000000000
	f := &revoker{fake: failing(nil)}
	s := serveHandler(t, newHandler(f, Options{Keys: []string{testKey}}), nil)
	for _, tt := range []struct {
		query string
		want  int64 // milliseconds; 0: refused
	}{
		{"revoke_before=1600000000000", now},
		{"revoke_before=2020-09-13T12:26:40Z", now},
		{"revoke_before=2020-09-13T13:26:40%2B01:00", now},
		{"revoke_before=1600000000", 0}, // seconds
		{"revoke_before=0", 0},
		{"revoke_before=-1", 0},
		{"revoke_before=", 0},
		{"revoke_before=yesterday", 0},
		{"revoke_before=2020-09-13", 0},
		{"revoke_before=99999999999999", 0}, // in the future
		{"revoke_before=99999999999999999999", 0},
		{"revoke_before=4020-11-18T11:06:40Z", 0},
	} {
		f.before = 0
		a := s.do("DELETE", "/v1/users/42/sessions?"+tt.query, "")
		if tt.want == 0 {
			a.problem(400, "revoke_before")
		} else {
			a.is(200)
		}
		if f.before != tt.want {
			t.Errorf("%s: %d, want %d", tt.query, f.before, tt.want)
		}
	}
	s.do("DELETE", "/v1/users/42/sessions?revoke_before=now&connection=x", "").problem(400, "connection")
	s.do("DELETE", "/v1/users/a%20b/sessions?revoke_before=now", "").problem(400, "user")

	var response disconnected
	s.do("DELETE", "/v1/users/42/sessions?revoke_before=now", "").is(200).into(&response)
	if response.Disconnected != 7 || f.before < now {
		t.Errorf("now: %+v, before %d", response, f.before)
	}
}

// revoker is a backend that records revocations.
type revoker struct {
	*fake
	before int64
}

func (f *revoker) RevokeTokens(_ context.Context, _ string, before time.Time) (int, error) {
	f.before = before.UnixMilli()
	return 7, nil
}

var _ backend = (*wirepost.Server)(nil)

// An invalid key is a programming error: with it every request would be refused.
func TestInvalidKeys(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"", "push:", "bad:x", "two words"} {
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.HasPrefix(fmt.Sprint(p), "httpapi: Options.Keys[1]: ") {
					t.Errorf("%q: panic %v", key, p)
				}
			}()
			newHandler(failing(nil), Options{Keys: []string{testKey, key}})
		}()
	}
}
