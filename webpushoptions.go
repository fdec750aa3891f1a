package wirepost

import "github.com/wirepost/wirepost/internal/webpush"

// WebPushOptions configures Web Push: notifications of browsers by the push services of their
// vendors (RFC 8030), for the steps of an escalation that go ViaWebPush. The zero value turns it
// off. The server's key pair (RFC 8292) is made when it is needed first, and kept in the
// engine.
type WebPushOptions struct {
	// Subject is a mailto: or https: URL at which a push service can reach the operator.
	// It turns Web Push on.
	Subject string
	// Allow lists host names, addresses and networks (CIDR) that the endpoints of
	// subscriptions may have although they are not public. Any other endpoint is refused
	// unless it is https and has a public address whenever it is connected to: clients choose
	// the endpoints, and must not make the server send requests into its own network.
	Allow []string
	// AllowLoopback allows endpoints on this machine, also over http, for development.
	AllowLoopback bool
}

// check returns the exceptions, if the options are valid.
func (o *WebPushOptions) check() (webpush.Exceptions, error) {
	allow, err := webpush.ParseExceptions(o.Allow)
	if err != nil {
		return allow, optionError("WebPush.Allow", "%s", err)
	}
	allow.Loopback = o.AllowLoopback
	if o.Subject == "" {
		return allow, nil
	}
	if err := webpush.CheckSubject(o.Subject); err != nil {
		return allow, optionError("WebPush.Subject", "%s", err)
	}
	return allow, nil
}

// on reports whether Web Push is on.
func (o *WebPushOptions) on() bool { return o.Subject != "" }
