package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/strict"
)

// claims are the claims of a client token: those of RFC 7519, of which sub, exp, nbf, iat
// and, if configured, aud and iss are used, and Wirepost's own.
type claims struct {
	jwt.RegisteredClaims
	Device    string          `json:"device,omitempty"`
	Channels  []string        `json:"channels,omitempty"`
	Subscribe []string        `json:"subscribe,omitempty"`
	Publish   []string        `json:"publish,omitempty"`
	Info      json.RawMessage `json:"info,omitempty"`
}

// identity checks the claims of a token whose signature is valid.
func (c *claims) identity() (wirepost.Identity, error) {
	if c.Subject == "" {
		return wirepost.Identity{}, refuse("the token has no sub claim, which names the user")
	}
	if err := c.check(); err != nil {
		return wirepost.Identity{}, refuse("the token's claims are not usable: %s", wirepost.AsError(err).Message)
	}
	id := wirepost.Identity{
		User: c.Subject, Device: c.Device,
		Channels: c.Channels, Subscribe: c.Subscribe, Publish: c.Publish, Info: c.Info,
	}
	if c.IssuedAt != nil {
		id.Issued = c.IssuedAt.Time
	}
	if c.ExpiresAt != nil {
		id.Expires = c.ExpiresAt.Time
		// A token accepted within the leeway must not expire at once.
		if !id.Expires.After(time.Now()) {
			id.Expires = id.Expires.Add(Leeway)
		}
	}
	return id, nil
}

func (c *claims) check() error {
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
	return wirepost.CheckInfo(c.Info)
}

// hasAudience reports whether aud names any audience.
func (c *claims) hasAudience() bool {
	return slices.ContainsFunc(c.Audience, func(name string) bool { return name != "" })
}

// UnmarshalJSON reads the claims strictly: encoding/json would accept "SUB" as sub, and
// use the last of two equal claims.
func (c *claims) UnmarshalJSON(data []byte) error {
	err := strict.Object(data, c.member)
	if twice, ok := errors.AsType[strict.DuplicateError](err); ok {
		return &claimError{name: string(twice), problem: "appears twice"}
	}
	return err
}

// member reads one claim. Unknown claims and null values are ignored.
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
	case "info":
		c.Info = bytes.Clone(value)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, strict.ErrNotUnicode):
		return &claimError{name: name, problem: "is " + err.Error()}
	}
	return &claimError{name: name, problem: fmt.Sprintf("must be %s, not %s", wanted, given(wanted, value))}
}

// given describes the value of a claim; of a list where one is wanted, what is wrong in it.
func given(wanted string, value []byte) string {
	var list []json.RawMessage
	if !strings.HasSuffix(wanted, "a list of strings") || json.Unmarshal(value, &list) != nil {
		return shown(value)
	}
	for _, entry := range list {
		if entry = bytes.TrimSpace(entry); entry[0] != '"' {
			return "a list with " + shown(entry)
		}
	}
	return shown(value)
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

// maxTime is the end of the year 9999, in seconds since 1970: a larger value is a mistake,
// such as milliseconds, and far larger ones overflow.
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

// claimError describes an invalid claim.
type claimError struct{ name, problem string }

func (e *claimError) Error() string { return fmt.Sprintf("the token's claim %s %s", e.name, e.problem) }

// shown returns a value for an error message, or its kind if it may be long.
func shown(value []byte) string {
	switch {
	case bytes.IndexByte([]byte(`"{[`), value[0]) >= 0:
		return strict.Kind(value)
	case len(value) > 20:
		return "a number that long"
	}
	return string(value)
}

// malformed returns which part of a token could not be read.
func malformed(err error) string {
	if wrong, ok := errors.AsType[*claimError](err); ok {
		return wrong.Error()
	}
	return "the token is malformed: a JSON Web Token has three parts of base64url, a header and claims in JSON and a signature"
}

// stamp formats a time of a token. It is never nil if the parser compared it.
func stamp(at *jwt.NumericDate) string {
	if at == nil {
		return "an unknown time"
	}
	return at.UTC().Format(time.RFC3339)
}
