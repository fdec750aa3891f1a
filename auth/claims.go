package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/strict"
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

// UnmarshalJSON reads the claims exactly: encoding/json would take "SUB" for sub,
// and the last of two.
func (c *claims) UnmarshalJSON(data []byte) error {
	err := strict.Object(data, c.member)
	if twice, ok := errors.AsType[strict.DuplicateError](err); ok {
		return &claimError{name: string(twice), problem: "is there twice"}
	}
	return err
}

// member takes in one claim. Unknown ones are ignored, and null is as if it were not
// there.
func (c *claims) member(name string, value []byte) (err error) {
	if string(value) == "null" {
		return nil
	}
	wanted := "a string"
	switch name {
	case "sub":
		c.Subject, err = strict.String(value)
	case "iss":
		c.Issuer, err = strict.String(value)
	case "aud":
		wanted = "a string or a list of strings"
		c.Audience, err = audience(value)
	case "exp", "nbf", "iat":
		wanted = "a number of seconds since 1970, up to the year 9999"
		err = c.setTime(name, value)
	case "device":
		c.Device, err = strict.String(value)
	case "channels", "subscribe", "publish":
		wanted = "a list of strings"
		*c.list(name), err = strict.Strings(value)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, strict.ErrNotUnicode):
		return &claimError{name: name, problem: "is " + err.Error()}
	}
	return &claimError{name: name, problem: fmt.Sprintf("must be %s, not %s", wanted, shown(value))}
}

func (c *claims) list(name string) *[]string {
	switch name {
	case "channels":
		return &c.Channels
	case "subscribe":
		return &c.Subscribe
	}
	return &c.Publish
}

func audience(value []byte) ([]string, error) {
	if value[0] == '[' {
		return strict.Strings(value)
	}
	name, err := strict.String(value)
	return []string{name}, err
}

// maxTime is the end of the year 9999, in seconds since 1970: what is beyond it is
// a mistake, such as milliseconds, and further on no number of seconds any more.
const maxTime = 253402300799

// setTime reads a NumericDate (RFC 7519 §2).
func (c *claims) setTime(name string, value []byte) error {
	var seconds float64
	if err := json.Unmarshal(value, &seconds); err != nil {
		return err
	}
	if seconds < 0 || seconds > maxTime {
		return errors.New("out of range")
	}
	date := jwt.NewNumericDate(time.Unix(int64(seconds), 0))
	switch name {
	case "exp":
		c.ExpiresAt = date
	case "nbf":
		c.NotBefore = date
	default:
		c.IssuedAt = date
	}
	return nil
}

// claimError says what is wrong with one claim.
type claimError struct{ name, problem string }

func (e *claimError) Error() string { return fmt.Sprintf("the token's claim %s %s", e.name, e.problem) }

// shown is a value, or its kind if it may be long.
func shown(value []byte) string {
	switch {
	case bytes.IndexByte([]byte(`"{[`), value[0]) >= 0:
		return strict.Kind(value)
	case len(value) > 20:
		return "a number that long"
	}
	return string(value)
}

// malformed says which part of a token could not be read.
func malformed(err error) string {
	if wrong, ok := errors.AsType[*claimError](err); ok {
		return wrong.Error()
	}
	return "the token is malformed: a JSON Web Token has three parts of base64url, a header and claims in JSON and a signature"
}

// stamp shows a time of a token. It is never nil where the parser compared it.
func stamp(at *jwt.NumericDate) string {
	if at == nil {
		return "an unknown time"
	}
	return at.UTC().Format(time.RFC3339)
}
