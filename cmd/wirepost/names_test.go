package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

// TestUserNamesInDev: a URL that names no user is refused with 401, and one with a name that
// no user can have with 400, at each endpoint of clients.
func TestUserNamesInDev(t *testing.T) {
	t.Parallel()
	_, address, _ := testApp(t, t.Context(), func(*Config) {})
	for name, status := range map[string]int{
		"": 401, "a b": 400, "a,b": 400, "*": 400, "\xff": 400, "a\n": 400, strings.Repeat("x", 196): 400,
	} {
		for _, path := range []string{"/ws", "/sse", "/poll"} {
			r, err := http.NewRequestWithContext(t.Context(), "GET", address+path+"?user="+url.QueryEscape(name), nil)
			if err != nil {
				t.Fatal(err)
			}
			if path == "/ws" {
				r.Header = http.Header{
					"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
					"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
				}
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			var p wirepost.Problem
			err = json.NewDecoder(resp.Body).Decode(&p)
			resp.Body.Close()
			if err != nil || resp.StatusCode != status || status == 400 && p.Field != "user" {
				t.Errorf("%s?user=%.20q: %s %+v, %v", path, name, resp.Status, p, err)
			}
		}
	}
}
