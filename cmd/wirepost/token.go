package main

import (
	"fmt"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
)

// tokenCommand is `wirepost token`.
type tokenCommand struct {
	Secret    secret   `required:"" aliases:"token-secret" placeholder:"SECRET" variable:"WIREPOST_TOKEN_SECRET" help:"The server's token secret."`
	User      string   `required:"" placeholder:"NAME" help:"The user."`
	Device    string   `placeholder:"NAME" help:"Bind the token to one device of the user."`
	Channel   []string `placeholder:"NAME" help:"Channel that the user is a member of as long as the token lives; repeatable."`
	Subscribe []string `placeholder:"PATTERN" help:"Channels that the client may subscribe to; repeatable."`
	Publish   []string `placeholder:"PATTERN" help:"Channels that the client may publish to; repeatable."`
	Audience  []string `placeholder:"NAME" variable:"WIREPOST_TOKEN_AUDIENCE" help:"Whom the token is for (aud), if the server asks; repeatable."`
	Issuer    string   `placeholder:"NAME" variable:"WIREPOST_TOKEN_ISSUER" help:"Whom it is from (iss), if the server asks."`
	TTL       duration `name:"ttl" default:"1h" placeholder:"TIME" help:"How long it lives (default ${default})."`
}

// Run prints the token.
func (c *tokenCommand) Run(t *terminal) error {
	token, err := auth.SignFor(string(c.Secret), wirepost.Identity{
		User: c.User, Device: c.Device, Channels: c.Channel, Subscribe: c.Subscribe, Publish: c.Publish,
		Expires: time.Now().Add(time.Duration(c.TTL)),
	}, c.Audience, c.Issuer)
	if err != nil {
		return usageError{plain(err)}
	}
	_, err = fmt.Fprintln(t.Out, token)
	return err
}

// plain gives the message of the library's errors without their code.
func plain(err error) error {
	if e := wirepost.AsError(err); e.Code == wirepost.CodeBadRequest {
		return fmt.Errorf("%s", e.Message)
	}
	return err
}
