package webpush_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/webpush"
	"github.com/wirepost/wirepost/internal/webpush/pushtest"
)

const (
	p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
	auth   = "BTBZMqHH6r4Tts7J_aSIgg"
)

// TestParse: a subscription is what browsers make, and an error says what is wrong with
// another one.
func TestParse(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil, func(c *webpush.Config) { c.Allow = webpush.Exceptions{} })
	keys := `"keys":{"p256dh":"` + p256dh + `","auth":"` + auth + `"}`
	const endpoint = `"endpoint":"https://push.example/a?b=c"`
	later := fmt.Sprint(h.now().Add(time.Hour).UnixMilli())
	for text, want := range map[string]string{
		`{` + endpoint + `,` + keys + `}`:                                                "",
		`{` + endpoint + `,"expirationTime":null,"options":{"x":1},` + keys + `}`:        "",
		`{` + endpoint + `,"expirationTime":` + later + `.5,` + keys + `}`:               "",
		`{` + endpoint + `,"keys":{"p256dh":"` + p256dh + `=","auth":"` + auth + `=="}}`: "",
		`{` + endpoint + `,"keys":{"auth":"` + strings.ReplaceAll(auth, "_", "/") + `","p256dh":"` + strings.ReplaceAll(strings.ReplaceAll(p256dh, "_", "/"), "-", "+") + `"}}`: "",
		``:                             "subscription: unexpected end of JSON input",
		`[]`:                           "subscription: it is not an object with endpoint and keys",
		`null`:                         "subscription: it is not an object with endpoint and keys",
		`{}`:                           "endpoint: it is missing",
		`{"endpoint":1,` + keys + `}`:  "endpoint: not a string",
		`{"endpoint":"",` + keys + `}`: "endpoint: it is not a URL with a host",
		`{"endpoint":"push.example",` + keys + `}`:                                           "endpoint: it is not a URL with a host",
		`{"endpoint":"https://:443/x",` + keys + `}`:                                         "endpoint: it is not a URL with a host",
		`{"endpoint":"http://push.example/x",` + keys + `}`:                                  "endpoint: it must begin with https://",
		`{"endpoint":"https://u:p@push.example/x",` + keys + `}`:                             "endpoint: it has a user name, a password or a fragment",
		`{"endpoint":"https://push.example/x#",` + keys + `}`:                                "endpoint: it has a user name, a password or a fragment",
		`{"endpoint":"https://push.example/\u0000",` + keys + `}`:                            "endpoint: it has characters that a URL cannot have",
		`{"endpoint":"https://push.example/\n",` + keys + `}`:                                "endpoint: it has characters that a URL cannot have",
		`{"endpoint":"https://push.example:65536/x",` + keys + `}`:                           "endpoint: its port is not one from 1 to 65535",
		`{"endpoint":"https://push.example:0/x",` + keys + `}`:                               "endpoint: its port is not one from 1 to 65535",
		`{"endpoint":"https://push.example/%zz",` + keys + `}`:                               "endpoint: it is not a URL with a host",
		`{"endpoint":"https://push.example/` + strings.Repeat("x", 2048) + `",` + keys + `}`: "endpoint: it is too long",
		`{"endpoint":"https://192.168.1.1/x",` + keys + `}`:                                  "endpoint: 192.168.1.1 is not a public address",
		`{"endpoint":"https://LOCALHOST/x",` + keys + `}`:                                    "endpoint: localhost is not a public address",
		`{` + endpoint + `,` + endpoint + `,` + keys + `}`:                                   `subscription: the field "endpoint" is given twice`,
		`{` + endpoint + `,"expirationTime":1,` + keys + `}`:                                 "expirationTime: it is in the past",
		`{` + endpoint + `,"expirationTime":1e300,` + keys + `}`:                             "expirationTime: it is more than 100 years ahead",
		`{` + endpoint + `,"expirationTime":"x",` + keys + `}`:                               "expirationTime: it is neither null nor a number",
		`{` + endpoint + `}`:                                    "keys: the object with p256dh and auth is missing",
		`{` + endpoint + `,"keys":"x"}`:                         "keys: the object with p256dh and auth is missing",
		`{` + endpoint + `,"keys":{}}`:                          "keys.p256dh: it is missing",
		`{` + endpoint + `,"keys":{"p256dh":"` + p256dh + `"}}`: "keys.auth: it is missing",
		`{` + endpoint + `,"keys":{"p256dh":"` + p256dh[:80] + `","auth":"` + auth + `"}}`:        "keys.p256dh: it is not an uncompressed P-256 public key, which has 65 bytes",
		`{` + endpoint + `,"keys":{"p256dh":"` + p256dh[:84] + `Aiw4","auth":"` + auth + `"}}`:    "keys.p256dh: it is not an uncompressed P-256 public key, which has 65 bytes",
		`{` + endpoint + `,"keys":{"p256dh":"BAAA` + p256dh[4:] + `","auth":"` + auth + `"}}`:     "keys.p256dh: it is not a point of the curve P-256",
		`{` + endpoint + `,"keys":{"p256dh":"B` + strings.Repeat("A", 86) + `","auth":"x"}}`:      "keys.p256dh: it is not a point of the curve P-256",
		`{` + endpoint + `,"keys":{"p256dh":"%","auth":"` + auth + `"}}`:                          "keys.p256dh: it is not base64url",
		`{` + endpoint + `,"keys":{"p256dh":5,"auth":"` + auth + `"}}`:                            "keys.p256dh: not a string",
		`{` + endpoint + `,"keys":{"p256dh":"` + p256dh + `","auth":"` + auth[:20] + `"}}`:        "keys.auth: it does not have 16 bytes",
		`{` + endpoint + `,"keys":{"p256dh":"` + p256dh + `","auth":"` + auth[:20] + `\n` + `"}}`: "keys.auth: it is not base64url",
	} {
		sub, err := h.Parse([]byte(text))
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want == "" && (len(sub.P256dh) != 65 || len(sub.Auth) != 16 || sub.Endpoint != "https://push.example/a?b=c"):
			t.Errorf("%s: %+v", text, sub)
		case want != "" && (err == nil || !strings.HasPrefix(err.Error(), "bad_request: "+want)):
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// FuzzParse: no text makes the parser panic, and what it accepts can be sent to.
func FuzzParse(f *testing.F) {
	f.Add(`{"endpoint":"https://push.example/a?b=c","expirationTime":null,"keys":{"p256dh":"` + p256dh + `","auth":"` + auth + `"}}`)
	f.Add(`{"endpoint":"http://localhost/a","expirationTime":1e15,"keys":{"p256dh":"` + p256dh + `=","auth":"` + auth + `=="}}`)
	f.Add(`{"endpoint":"https://[::1%25lo]/","keys":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		h := newHarness(t, nil)
		sub, err := h.Parse([]byte(text))
		if err != nil {
			return
		}
		text2, err := json.Marshal(map[string]any{"endpoint": sub.Endpoint, "keys": map[string]any{
			"p256dh": p256dh, "auth": auth,
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Parse(text2); err != nil || len(sub.P256dh) != 65 || len(sub.Auth) != 16 || webpush.Name(sub.Endpoint) == "" {
			t.Errorf("%+v: %v", sub, err)
		}
	})
}

// TestSubscriptions: they are replaced by their endpoints, and the oldest gives way to one too
// many.
func TestSubscriptions(t *testing.T) {
	t.Parallel()
	service := pushtest.New(t)
	h := newHarness(t, service)
	var want []string
	for range webpush.MaxSubscriptions {
		sub := service.Subscribe("")
		h.put("42", sub)
		want = append(want, sub.Endpoint)
		h.clock.Add(int64(time.Second))
	}
	if diff := cmp.Diff(want, h.endpoints("42")); diff != "" {
		t.Error(diff)
	}
	again, err := h.Parse([]byte(`{"endpoint":"` + want[0] + `","keys":{"p256dh":"` + p256dh + `","auth":"` + auth + `"}}`))
	if err == nil {
		err = h.Put(t.Context(), "42", again, "d2")
	}
	if err != nil {
		t.Fatal(err)
	}
	h.clock.Add(int64(time.Second))
	want = append(want[1:], want[0])
	if diff := cmp.Diff(want, h.endpoints("42")); diff != "" {
		t.Error(diff)
	}
	one := service.Subscribe("")
	h.put("42", one)
	want = append(want[1:], one.Endpoint)
	if diff := cmp.Diff(want, h.endpoints("42")); diff != "" {
		t.Error(diff)
	}
	if got := h.Stats().Removed["displaced"]; got != 1 {
		t.Errorf("%d were displaced", got)
	}
	for _, endpoint := range []string{want[3], "https://unknown.example"} {
		if err := h.Remove(t.Context(), "42", endpoint); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.endpoints("42"); len(got) != webpush.MaxSubscriptions-1 {
		t.Errorf("%d are left", len(got))
	}
	if err := h.Remove(t.Context(), "42", ""); err != nil {
		t.Fatal(err)
	}
	if u, err := h.store.Load(t.Context(), "42"); err != nil || !cmp.Equal(u, engine.User{}) {
		t.Errorf("%+v, %v", u, err)
	}
}

// TestExpiration: a subscription is not used after the time that the browser gave.
func TestExpiration(t *testing.T) {
	t.Parallel()
	h := newHarness(t, nil)
	sub, err := h.Parse(fmt.Appendf(nil, `{"endpoint":"https://push.example/a","expirationTime":%d,"keys":{"p256dh":"%s","auth":"%s"}}`,
		h.now().Add(time.Hour).UnixMilli(), p256dh, auth))
	if err == nil {
		err = h.Put(t.Context(), "42", sub, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := h.endpoints("42"); len(got) != 1 {
		t.Errorf("%q", got)
	}
	h.clock.Add(int64(time.Hour))
	if got := h.endpoints("42"); len(got) != 0 || h.Stats().Removed["expired"] != 1 {
		t.Errorf("%q, %+v", got, h.Stats())
	}
	if u, err := h.store.Load(t.Context(), "42"); err != nil || !cmp.Equal(u, engine.User{}) {
		t.Errorf("%+v, %v", u, err)
	}
}
