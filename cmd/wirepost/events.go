package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/wirepost/wirepost"
)

// eventSettings are the settings of events. In the file they are a map, which may have
// endpoints, too.
type eventSettings struct {
	EventsURL       eventURL     `name:"events-url" placeholder:"URL" help:"URL that events are sent to as signed webhooks. More than one are endpoints in the file."`
	EventsSecret    []hookSecret `placeholder:"SECRET" help:"Secret that signs them, whsec_ and base64; repeatable, to replace one."`
	EventsTypes     []eventType  `placeholder:"PATTERN" help:"Types of events that are written, such as user.*; repeatable. Without --events-url they are only for GET /v1/events (default: all with --events-url, or else none)."`
	EventsChannels  []string     `placeholder:"PATTERN" help:"Channels whose events are written; repeatable (default: every channel)."`
	EventsGrace     duration     `default:"5s" placeholder:"TIME" help:"How long a user has no connection before that is user.offline (default ${default})."`
	EventsRetention duration     `default:"3d" placeholder:"TIME" help:"How long events are kept for endpoints that do not accept them (default ${default})."`
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
func (c *Config) endpoints() []wirepost.EventEndpoint {
	all := slices.Clone(c.Endpoints)
	if c.EventsURL != "" || len(c.EventsTypes) > 0 || len(c.EventsChannels) > 0 {
		all = append(all, wirepost.EventEndpoint{
			URL: string(c.EventsURL), Secrets: texts(c.EventsSecret), Types: texts(c.EventsTypes), Channels: c.EventsChannels,
		})
	}
	return all
}

// checkEvents verifies combinations of settings.
func (c *Config) checkEvents() error {
	if len(c.EventsSecret) > 0 && c.EventsURL == "" {
		return usagef("--events-secret needs --events-url: it signs what is sent there")
	}
	seen := map[string]bool{}
	for _, e := range c.endpoints() {
		if e.URL != "" && seen[e.URL] {
			return usagef("two endpoints of events have the same URL: list all its types and channels in one of them")
		}
		seen[e.URL] = true
	}
	return nil
}

// applyEvents sets the options of the library.
func (c *Config) applyEvents(o *wirepost.Options) {
	o.Events = wirepost.EventOptions{
		Grace: time.Duration(c.EventsGrace), Retention: time.Duration(c.EventsRetention), Endpoints: c.endpoints(),
	}
}

// warnEvents logs settings of events that are weaker than they look.
func (c *Config) warnEvents(log *slog.Logger) {
	for _, e := range c.endpoints() {
		if e.URL == "" || c.Dev {
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

// endpointsName is the name of the list of endpoints in the file, as a flag would have it.
const endpointsName = "events-endpoints"

// setEndpoints sets the endpoints of events: a list of maps.
func (f *configFile) setEndpoints(value ast.Node) error {
	const where = "events: endpoints"
	sequence, ok := value.(*ast.SequenceNode)
	if !ok {
		return f.errorf(value, where, "a list is needed, each entry with a url, or only types: `- url: https://example.com/events`")
	}
	f.endpoints = []wirepost.EventEndpoint{}
	for _, item := range sequence.Values {
		pairs, ok := pairsOf(item)
		if !ok {
			return f.errorf(item, where, "an entry is a map: `- url: https://example.com/events`")
		}
		var e wirepost.EventEndpoint
		var seen []string
		for _, pair := range pairs {
			name := textOfKey(pair)
			if slices.Contains(seen, name) {
				return f.errorf(pair.Key, where+": "+name, "is set twice")
			}
			seen = append(seen, name)
			list, ok := textsOf(pair.Value)
			if !ok {
				return f.errorf(pair.Value, where+": "+name, "a value, or a list of values, is needed")
			}
			if err := setEndpoint(&e, name, list); err != nil {
				return f.errorf(pair.Key, where+": "+name, "%w", err)
			}
		}
		if e.URL == "" && len(e.Secrets) > 0 {
			return f.errorf(item, where, "an entry with a secret needs a url")
		}
		f.endpoints = append(f.endpoints, e)
	}
	return nil
}

var endpointNames = []string{"url", "secret", "types", "channels"}

// setEndpoint sets one field of an endpoint.
func setEndpoint(e *wirepost.EventEndpoint, name string, list []string) error {
	switch name {
	case "url":
		if len(list) != 1 {
			return errors.New("one URL is needed")
		}
		e.URL = list[0]
		return new(eventURL).UnmarshalText([]byte(e.URL))
	case "secret":
		e.Secrets = list
		return checkAll[hookSecret](list)
	case "types":
		e.Types = list
		return checkAll[eventType](list)
	case "channels":
		e.Channels = list
		return nil
	}
	return fmt.Errorf("is not a setting of an endpoint%s", didYouMean(name, endpointNames))
}

// checkAll parses texts as values of a type.
func checkAll[T any, P interface {
	*T
	UnmarshalText(text []byte) error
}](list []string) error {
	for _, text := range list {
		if err := P(new(T)).UnmarshalText([]byte(text)); err != nil {
			return err
		}
	}
	return nil
}

// textsOf returns a scalar, or a list of scalars.
func textsOf(node ast.Node) (list []string, ok bool) {
	if text, ok := textOf(node); ok {
		return []string{text}, true
	}
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		return nil, false
	}
	for _, item := range sequence.Values {
		text, ok := textOf(item)
		if !ok {
			return nil, false
		}
		list = append(list, strings.TrimSpace(text))
	}
	return list, true
}
