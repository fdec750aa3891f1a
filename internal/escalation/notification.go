package escalation

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/strict"
)

// checkNotification checks a notification, in compact form, and those of its members that
// every service worker needs.
func checkNotification(n json.RawMessage) error {
	if n == nil {
		return nil
	}
	if len(n) > MaxNotification {
		return fault.Field("notification", "%d bytes, more than %d", len(n), MaxNotification)
	}
	err := strict.Object(n, func(name string, value []byte) error {
		switch name {
		case "title", "body", "icon", "tag":
			return checkString(name, value)
		case "url", "navigate":
			return checkPage(name, value)
		case "actions":
			return checkActions(value)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	return fault.Field("notification", "it is not valid: %s", err)
}

// CompactNotification returns a notification without white space, or an error if it is not
// JSON. Nil is none.
func CompactNotification(n json.RawMessage) (json.RawMessage, error) {
	if n == nil {
		return nil, nil
	}
	var out bytes.Buffer
	if err := json.Compact(&out, n); err != nil {
		return nil, fault.Field("notification", "it is not JSON: %s", err)
	}
	return out.Bytes(), nil
}

func checkString(name string, value []byte) error {
	if value[0] != '"' {
		return fault.Field("notification", "its %s must be a string, not %s", name, strict.Kind(value))
	}
	return nil
}

// checkPage checks the URL that a click opens. One such as javascript: would be run by a page
// or a service worker that opens it unchecked.
func checkPage(name string, value []byte) error {
	if err := checkString(name, value); err != nil {
		return err
	}
	text, err := strict.String(value)
	if err != nil {
		return err
	}
	switch scheme := strings.ToLower(schemeOf(text)); scheme {
	case "", "http", "https":
		return nil
	default:
		return fault.Field("notification", "its %s has the scheme %q: only relative URLs, http: and https: are opened", name, scheme)
	}
}

// checkActions checks the buttons.
func checkActions(value []byte) error {
	if value[0] != '[' {
		return fault.Field("notification", "its actions must be a list, not %s", strict.Kind(value))
	}
	var actions []json.RawMessage
	if err := json.Unmarshal(value, &actions); err != nil {
		return err
	}
	for _, action := range actions {
		if action[0] != '{' {
			return fault.Field("notification", "an entry of its actions must be an object, not %s", strict.Kind(action))
		}
		err := strict.Object(action, func(name string, value []byte) error {
			if name == "navigate" {
				return checkPage("actions: navigate", value)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var (
	scheme = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*):`)
	breaks = strings.NewReplacer("\t", "", "\n", "", "\r", "")
)

// schemeOf returns the scheme of a URL as browsers read it, and "" for a relative one. They
// pass over control characters before it, and over tabs and line breaks within (WHATWG URL,
// basic URL parser).
func schemeOf(text string) string {
	text = strings.TrimLeftFunc(text, func(r rune) bool { return r <= ' ' })
	if m := scheme.FindStringSubmatch(breaks.Replace(text)); m != nil {
		return m[1]
	}
	return ""
}
