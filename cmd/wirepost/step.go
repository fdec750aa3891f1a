package main

import (
	"fmt"
	"strings"

	"github.com/wirepost/wirepost/client"
)

// step is a step of an escalation as a flag has it: "30s:webpush".
type step client.EscalationStep

// UnmarshalText reads a step.
func (s *step) UnmarshalText(text []byte) error {
	after, via, ok := strings.Cut(string(text), ":")
	if !ok {
		return fmt.Errorf("%q is not a step such as 30s:webpush or 10m:event", text)
	}
	if err := (*duration)(&s.After).UnmarshalText([]byte(after)); err != nil {
		return err
	}
	return choice(&s.Via, []byte(via), client.ViaWebPush, client.ViaEvent)
}
