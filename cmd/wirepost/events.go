package main

import (
	"cmp"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/wirepost/wirepost"
)

// eventSettings are the settings of events. In the file they are a map, which may have
// endpoints, too.
type eventSettings struct {
	EventsURL       eventURL     `name:"events-url" placeholder:"URL" help:"URL that events are sent to as signed webhooks. More than one are endpoints in the file."`
	EventsSecret    []hookSecret `placeholder:"SECRET" help:"Secret that signs them, whsec_ and base64; repeatable, to replace one."`
	EventsTypes     []eventType  `placeholder:"PATTERN" help:"Types of events that are written, such as user.*; repeatable. Without --events-url they are only for GET /v1/events (default: all with --events-url or in dev, or else none)."`
	EventsChannels  []string     `placeholder:"PATTERN" help:"Channels whose events are written; repeatable (default: every channel)."`
	EventsGrace     duration     `default:"5s" placeholder:"TIME" help:"How long a user has no connection before that is user.offline (default ${default})."`
	EventsRetention duration     `default:"3d" placeholder:"TIME" help:"How long events are kept for endpoints that do not accept them (default ${default})."`

	EventsEndpoints []wirepost.EventEndpoint `kong:"-"` // of the file
}

// eventURL is the URL of an endpoint of events.
type eventURL string

func (u *eventURL) UnmarshalText(text []byte) error {
	if err := wirepost.CheckEventURL(string(text)); err != nil {
		return err
	}
	*u = eventURL(text)
	return nil
}

// eventType is a pattern of types of events.
type eventType string

func (p *eventType) UnmarshalText(text []byte) error {
	if err := wirepost.CheckEventType(string(text)); err != nil {
		return err
	}
	*p = eventType(text)
	return nil
}

// endpoints are those of the file, and that of the flags.
func (s *eventSettings) endpoints() []wirepost.EventEndpoint {
	all := slices.Clone(s.EventsEndpoints)
	if s.EventsURL != "" || len(s.EventsTypes) > 0 || len(s.EventsChannels) > 0 {
		all = append(all, wirepost.EventEndpoint{
			URL: string(s.EventsURL), Secrets: texts(s.EventsSecret), Types: texts(s.EventsTypes), Channels: s.EventsChannels,
		})
	}
	return all
}

// check verifies combinations of settings.
func (s *eventSettings) check() error {
	if len(s.EventsSecret) > 0 && s.EventsURL == "" {
		return usagef("--events-secret needs --events-url: it signs what is sent there")
	}
	seen := map[string]bool{}
	for _, e := range s.endpoints() {
		if e.URL != "" && seen[e.URL] {
			return usagef("two endpoints of events have the same URL: list all its types and channels in one of them")
		}
		seen[e.URL] = true
	}
	return nil
}

// forDev has all events written, unless something else is set, so that GET /v1/events has what a
// newcomer looks for.
func (s *eventSettings) forDev() {
	if len(s.endpoints()) == 0 {
		s.EventsTypes = []eventType{"*"}
	}
}

// apply sets the options of the library.
func (s *eventSettings) apply(o *wirepost.Options) {
	o.Events = wirepost.EventOptions{
		Grace: time.Duration(s.EventsGrace), Retention: time.Duration(s.EventsRetention), Endpoints: s.endpoints(),
	}
}

// warn logs settings of events that are weaker than they look, except in dev.
func (s *eventSettings) warn(log *slog.Logger, dev bool) {
	for _, e := range s.endpoints() {
		if e.URL == "" || dev {
			continue
		}
		at, _ := url.Parse(e.URL) //nolint:errcheck // it was checked
		host := net.JoinHostPort(at.Hostname(), cmp.Or(at.Port(), at.Scheme))
		if len(e.Secrets) == 0 {
			log.Warn("events are not signed, so that the endpoint cannot tell them from others: set a secret", "host", host)
		}
		if hookURL(e.URL).unencrypted() {
			log.Warn("events are sent unencrypted: use https", "host", host)
		}
	}
}
