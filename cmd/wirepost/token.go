package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/auth"
)

// tokenCommand is `wirepost token`.
type tokenCommand struct {
	TokenSecret secret   `required:"" placeholder:"SECRET" variable:"WIREPOST_TOKEN_SECRET" help:"The server's token secret."`
	User        string   `required:"" placeholder:"NAME" help:"The user."`
	Device      string   `placeholder:"NAME" help:"Restrict the token to one device."`
	Channel     []string `placeholder:"NAME" help:"Channel that the user is a member of until the token expires; repeatable."`
	Subscribe   []string `placeholder:"PATTERN" help:"Channel or pattern that the client may subscribe to; repeatable."`
	Publish     []string `placeholder:"PATTERN" help:"Channel or pattern that the client may publish to; repeatable."`
	Info        string   `placeholder:"JSON" help:"What other clients are told of the user where a channel has presence, such as a name: at most 1 KiB."`
	Audience    []string `placeholder:"NAME" variable:"WIREPOST_TOKEN_AUDIENCE" help:"Audience (aud), if the server requires it; repeatable."`
	Issuer      string   `placeholder:"NAME" variable:"WIREPOST_TOKEN_ISSUER" help:"Issuer (iss), if the server requires it."`
	TTL         duration `name:"ttl" default:"1h" placeholder:"TIME" help:"Lifetime (default ${default})."`
}

// Run prints the token.
func (c *tokenCommand) Run(t *terminal) error {
	token, err := auth.SignFor(string(c.TokenSecret), wirepost.Identity{
		User: c.User, Device: c.Device, Channels: c.Channel, Subscribe: c.Subscribe, Publish: c.Publish, Info: json.RawMessage(c.Info),
		Expires: time.Now().Add(time.Duration(c.TTL)),
	}, c.Audience, c.Issuer)
	if err != nil {
		return usageError{plain(err)}
	}
	_, err = fmt.Fprintln(t.Out, token)
	return err
}

// plain returns the message of the library's errors without their code.
func plain(err error) error {
	if e := wirepost.AsError(err); e.Code == wirepost.CodeBadRequest {
		return fmt.Errorf("%s", e.Message)
	}
	return err
}
