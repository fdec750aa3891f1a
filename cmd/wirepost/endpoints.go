package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/wirepost/wirepost"
)

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
		same := func(earlier wirepost.EventEndpoint) bool { return e.URL != "" && earlier.URL == e.URL }
		if slices.ContainsFunc(f.endpoints, same) {
			return f.errorf(item, where, "an earlier entry has the same url: list all its types and channels in one of them")
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
