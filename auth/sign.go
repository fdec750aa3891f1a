package auth

import (
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost"
)

// Sign makes a token (HS256) that gives a client this identity. It returns an error for
// what a Verifier would reject: a short secret, an invalid name, an identity without an
// expiry.
func Sign(secret string, id wirepost.Identity) (string, error) {
	return SignFor(secret, id, nil, "")
}

// SignFor is Sign with an audience and an issuer, if they are not empty.
func SignFor(secret string, id wirepost.Identity, audience []string, issuer string) (string, error) {
	if len(secret) < MinSecret {
		return "", shortSecret(secret)
	}
	if id.Expires.IsZero() {
		return "", fmt.Errorf("a token needs an expiry")
	}
	c := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   id.User,
			Audience:  audience,
			Issuer:    issuer,
			IssuedAt:  jwt.NewNumericDate(time.Now()),
			ExpiresAt: jwt.NewNumericDate(id.Expires),
		},
		Device: id.Device, Channels: id.Channels, Subscribe: id.Subscribe, Publish: id.Publish, Info: id.Info,
	}
	if err := c.check(); err != nil {
		return "", err
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(secret))
}

func shortSecret(secret string) error {
	return fmt.Errorf("the token secret has %d bytes, HS256 needs at least %d: make one with `openssl rand -hex 32`", len(secret), MinSecret)
}
