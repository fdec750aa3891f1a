package parse

import (
	"bytes"
	"encoding/json"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/strict"
)

// strict reads a push as encoding/json does, with errors that say what is wrong.
func (f *Push) strict(body []byte) error {
	*f = Push{}
	return EachMember(body, f.member)
}

func (f *Push) member(name string, value json.RawMessage) (err error) {
	switch name {
	case "to":
		f.To, f.many, err = targets(value)
	case "data":
		f.data = value
	case "data_base64":
		var s string
		s, err = Text(name, value)
		f.base64 = []byte(s)
	case "content_type":
		f.kind, err = Text(name, value)
	case "id":
		f.id, err = Text(name, value)
	case "key":
		f.key, err = Text(name, value)
	case "ttl":
		f.ttl, err = readDuration(name, value)
	case "delay":
		f.delay, err = readDuration(name, value)
	case "at":
		f.at, err = At(name, string(value))
	case "escalate":
		f.escalate, err = steps(value)
	case "until":
		var s string
		s, err = Text(name, value)
		f.until = wirepost.EscalationUntil(s)
		if err == nil && s == "" {
			err = BadRequest(name, "it is empty")
		}
	case "traceparent":
		f.trace, err = Text(name, value)
	case "notification":
		f.notification = value
	default:
		err = ErrUnknown
	}
	return err
}

// targets reads a name or a list of names.
func targets(value json.RawMessage) (to []string, many bool, err error) {
	switch value[0] {
	case '"':
		name, err := Text("to", value)
		return []string{name}, false, err
	case '[':
		to, err = targetList(value)
		return to, true, err
	}
	return nil, false, BadRequest("to", "it must be a string or a list of strings, not %s", strict.Kind(value))
}

func targetList(value json.RawMessage) ([]string, error) {
	// No name has a comma: a list with that many is too long without being read.
	if n := bytes.Count(value, []byte(",")); n >= MaxTargets {
		return nil, BadRequest("to", "the list has %d names, more than %d", n+1, MaxTargets)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return nil, BadRequest("to", "it is not a valid list")
	}
	if len(list) == 0 {
		return nil, BadRequest("to", "the list is empty")
	}
	to := make([]string, len(list))
	for i, v := range list {
		name, err := Text("to", bytes.TrimSpace(v))
		if err != nil {
			return nil, BadRequest("to", "entry %d: %s", i, wirepost.AsError(err).Message)
		}
		to[i] = name
	}
	return to, nil
}
