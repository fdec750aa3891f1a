package httpapi

import (
	"net/url"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

// TestUserNames: every route with a user refuses a name that no user can have, whatever else
// the request has.
func TestUserNames(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *wirepost.Options) { o.WebPush = wirepost.WebPushOptions{Subject: "mailto:ops@example.com"} })
	for _, rt := range routes {
		if !strings.Contains(rt.path, "{user}") {
			continue
		}
		for _, name := range []string{"a b", "a,b", "*", "\xff", "a\n", strings.Repeat("x", 196)} {
			path := strings.NewReplacer("{user}", url.PathEscape(name), "{channel...}", "room").Replace(rt.path)
			for _, m := range rt.methods {
				body := ""
				if m.name == "PUT" || m.name == "POST" {
					body = `{"seq":1}`
				}
				s.do(m.name, path, body, "Content-Type: application/json").problem(400, "user")
			}
		}
	}
}
