package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wirepost/wirepost"
)

// TestEventSettings: a mistake in the settings of events is refused with its position, and
// without what is secret.
func TestEventSettings(t *testing.T) {
	t.Parallel()
	const key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	for _, tt := range []struct{ args, file, want string }{
		{"--events-types user.onlin", "", "matches no type of event"},
		{"--events-url ftp://a.example", "", "it is not an http or https URL"},
		{"--events-url https://a.example --events-secret 123", "", "does not begin with whsec_"},
		{"", "events:\n  grce: 5s\n", "wirepost.yml:2: events-grce: is not a Wirepost setting (did you mean events-grace?)"},
		{"", "events:\n  endpoints:\n    - urll: x\n", "wirepost.yml:3: events: endpoints: urll: is not a setting of an endpoint (did you mean url?)"},
		{"", "events:\n  endpoints:\n    - url: x\n", "wirepost.yml:3: events: endpoints: url: it is not an http"},
		{"", "events:\n  endpoints:\n    - types: [user.x]\n", "wirepost.yml:3: events: endpoints: types: \"user.x\" matches no type"},
		{"", "events:\n  endpoints:\n    - secret: " + key + "\n", "wirepost.yml:3: events: endpoints: an entry with a secret needs a url"},
		{"", "events:\n  endpoints:\n    - {url: 'https://a.example', secret: whsec_topsecret}\n", "wirepost.yml:3: events: endpoints: secret: what follows whsec_ is not base64"},
		{"", "events:\n  endpoints:\n    - url: https://a.example\n    - url: https://a.example\n", "wirepost.yml:4: events: endpoints: an earlier entry has the same url"},
		{"", "events:\n  endpoints: https://a.example\n", "wirepost.yml:2: events: endpoints: a list is needed"},
	} {
		args := append([]string{"dev"}, strings.Fields(tt.args)...)
		if tt.file != "" {
			args = append(args, "--config=FILE")
		}
		_, _, err := parse(t, args, nil, tt.file)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s%s: %v, want %s", tt.args, tt.file, err, tt.want)
		}
	}
	for args, want := range map[string]string{
		"--events-secret " + key:                       "--events-secret needs --events-url",
		"--events-url https://a.example --config=FILE": "two endpoints of events have the same URL",
	} {
		g, s, err := parse(t, append([]string{"dev"}, strings.Fields(args)...), nil, "events: {endpoints: [{url: 'https://a.example'}]}\n")
		if err != nil {
			t.Fatal(err)
		}
		c := Config{Dev: true, common: g.Dev.common, eventSettings: g.Dev.eventSettings}
		c.EventsEndpoints = s.endpoints()
		if err := c.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
}

// TestEventsInDev: dev writes all events unless something else is set; serve writes none.
func TestEventsInDev(t *testing.T) {
	t.Parallel()
	_, address, _ := testApp(t, t.Context(), func(*Config) {})
	if status, answer := ask(t, "GET", address+"/v1/events", "", ""); status != http.StatusOK {
		t.Errorf("%d %s", status, answer)
	}
	for name, tt := range map[string]struct {
		set  eventSettings
		dev  bool
		want []string // types of each endpoint
	}{
		"dev":     {dev: true, want: []string{"*"}},
		"dev set": {dev: true, set: eventSettings{EventsTypes: []eventType{"user.*"}}, want: []string{"user.*"}},
		"serve":   {},
	} {
		var o wirepost.Options
		if tt.dev {
			tt.set.forDev()
		}
		tt.set.apply(&o)
		if !slices.EqualFunc(o.Events.Endpoints, tt.want, func(e wirepost.EventEndpoint, types string) bool { return strings.Join(e.Types, " ") == types }) {
			t.Errorf("%s: %+v", name, o.Events.Endpoints)
		}
	}
}
