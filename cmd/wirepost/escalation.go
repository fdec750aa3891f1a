package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/wirepost/wirepost"
)

// setEscalation sets the steps of a policy: a list of maps.
func (f *configFile) setEscalation(p *wirepost.Policy, value ast.Node) error {
	const where = "channels: escalate"
	sequence, ok := value.(*ast.SequenceNode)
	if !ok {
		return f.errorf(value, where, "a list is needed, each entry with after and via: `- {after: 30s, via: event}`")
	}
	for _, item := range sequence.Values {
		pairs, ok := pairsOf(item)
		if !ok {
			return f.errorf(item, where, "an entry is a map: `- {after: 30s, via: event}`")
		}
		var s wirepost.EscalationStep
		for _, pair := range pairs {
			name := textOfKey(pair)
			text, ok := textOf(pair.Value)
			if !ok {
				return f.errorf(pair.Key, where+": "+name, "a value is needed")
			}
			if err := setStep(&s, name, text); err != nil {
				return f.errorf(pair.Key, where+": "+name, "%w", err)
			}
		}
		if s.After == 0 || s.Via == "" {
			return f.errorf(item, where, "an entry needs after and via: `- {after: 30s, via: event}`")
		}
		p.Escalate = append(p.Escalate, s)
	}
	return nil
}

func setStep(s *wirepost.EscalationStep, name, text string) error {
	switch name {
	case "after":
		if s.After != 0 {
			return errors.New("is set twice")
		}
		return (*duration)(&s.After).UnmarshalText([]byte(text))
	case "via":
		if s.Via != "" {
			return errors.New("is set twice")
		}
		return choice(&s.Via, []byte(text), wirepost.ViaWebPush, wirepost.ViaEvent)
	}
	return fmt.Errorf("is not a setting of a step%s", didYouMean(name, []string{"after", "via"}))
}

// checkEscalations refuses policies whose steps the server could not take.
func (c *Config) checkEscalations() error {
	for i := range c.Channels {
		p := &c.Channels[i]
		if err := p.CheckEscalation(c.webPushSettings.on(c.Dev)); err != nil {
			return usageError{&settingError{c.Sources[i], fmt.Errorf("the entry %q: %w", p.Pattern, err)}}
		}
	}
	return nil
}

// showSteps writes the steps of a policy as the file has them.
func showSteps(steps []wirepost.EscalationStep) string {
	texts := make([]string, len(steps))
	for i, s := range steps {
		texts[i] = fmt.Sprintf("{after: %s, via: %s}", showDuration(time.Duration(s.After)), s.Via)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
