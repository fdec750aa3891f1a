package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost"
)

// claims is what a client token says: RFC 7519's, of which sub, exp, nbf, iat
// and, where they are asked for, aud and iss count, and ours.
type claims struct {
	jwt.RegisteredClaims
	Device    string   `json:"device,omitempty"`
	Channels  []string `json:"channels,omitempty"`
	Subscribe []string `json:"subscribe,omitempty"`
	Publish   []string `json:"publish,omitempty"`
}

// identity checks the claims of a token whose signature is good.
func (c *claims) identity() (wirepost.Identity, error) {
	if c.Subject == "" {
		return wirepost.Identity{}, refuse("the token has no sub claim, which names the user")
	}
	if err := c.checkNames(); err != nil {
		return wirepost.Identity{}, refuse("the token's claims are not usable: %s", wirepost.AsError(err).Message)
	}
	id := wirepost.Identity{
		User: c.Subject, Device: c.Device,
		Channels: c.Channels, Subscribe: c.Subscribe, Publish: c.Publish,
	}
	if c.IssuedAt != nil {
		id.Issued = c.IssuedAt.Time
	}
	if c.ExpiresAt != nil {
		id.Expires = c.ExpiresAt.Time
		// What is taken although its end has passed must not end at once.
		if !id.Expires.After(time.Now()) {
			id.Expires = id.Expires.Add(Leeway)
		}
	}
	return id, nil
}

func (c *claims) checkNames() error {
	if err := wirepost.CheckUser(c.Subject); err != nil {
		return err
	}
	if err := wirepost.CheckDevice(c.Device); err != nil {
		return err
	}
	for _, channel := range c.Channels {
		if err := wirepost.CheckChannel(channel); err != nil {
			return err
		}
	}
	return nil
}

// hasAudience says whether aud names anything.
func (c *claims) hasAudience() bool {
	return slices.ContainsFunc(c.Audience, func(name string) bool { return name != "" })
}

// malformed says which part of a token could not be read.
func malformed(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return fmt.Sprintf("the token's claim %s must be %s, not %s", wrong.Field, kindOf(wrong.Type), wrong.Value)
	}
	return "the token is malformed: a JSON Web Token has three parts of base64url, a header and claims in JSON and a signature"
}

func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "a list of strings"
	}
	return "something else"
}

// stamp shows a time of a token. It is never nil where the parser compared it.
func stamp(at *jwt.NumericDate) string {
	if at == nil {
		return "an unknown time"
	}
	return at.UTC().Format(time.RFC3339)
}
