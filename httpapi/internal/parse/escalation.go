package parse

import (
	"encoding/json"
	"strings"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/strict"
)

// steps reads the steps of an escalation. Those of an empty list are not nil: a push without
// steps, whatever its channel's policy has.
func steps(value json.RawMessage) ([]wirepost.EscalationStep, error) {
	var list []json.RawMessage
	if value[0] != '[' || json.Unmarshal(value, &list) != nil {
		return nil, BadRequest("escalate", "it must be a list of steps, not %s", strict.Kind(value))
	}
	if len(list) > wirepost.MaxEscalationSteps {
		return nil, BadRequest("escalate", "%d steps, more than %d", len(list), wirepost.MaxEscalationSteps)
	}
	all := make([]wirepost.EscalationStep, len(list))
	for i, text := range list {
		step, err := readStep(text)
		if err != nil {
			e := wirepost.AsError(err)
			return nil, BadRequest("escalate", "entry %d: %s", i, strings.TrimPrefix(e.Field+": "+e.Message, ": "))
		}
		all[i] = step
	}
	return all, nil
}

// readStep reads a step, such as {"after":"30s","via":"event"}.
func readStep(text json.RawMessage) (step wirepost.EscalationStep, err error) {
	if text[0] != '{' {
		return step, BadRequest("", "it must be an object with after and via, not %s", strict.Kind(text))
	}
	err = EachMember(text, func(name string, value json.RawMessage) (err error) {
		switch name {
		case "after":
			step.After, err = readDuration(name, value)
		case "via":
			var via string
			via, err = Text(name, value)
			step.Via = wirepost.EscalationVia(via)
		default:
			err = ErrUnknown
		}
		return err
	})
	switch {
	case err != nil:
	case step.After == 0:
		err = BadRequest("after", "it is missing")
	case step.Via == "":
		err = BadRequest("via", "it is missing")
	}
	return step, err
}
