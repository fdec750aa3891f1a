// Package auth authenticates clients: Verifier checks their JSON Web Tokens (RFC 7519),
// Dev takes the user ID from the URL, and Sign makes a token.
//
// A token is accepted only with the algorithm that belongs to its key: HS256 for a secret,
// and RS256, ES256 or EdDSA for a public key, according to the key's type. The token's own
// header can never widen that.
package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost"
	"github.com/wirepost/wirepost/internal/strict"
)

// MinSecret is the minimum length of an HS256 secret in bytes: a key shorter than the hash
// can be guessed from one token (RFC 7518 §3.2).
const MinSecret = 32

// Leeway is how far the clocks of the token's issuer and of the server may differ. It
// applies to exp, nbf and iat.
const Leeway = 30 * time.Second

// maxToken bounds a token in bytes, and with it the cost of parsing one.
const maxToken = 16 << 10

// Options configures which tokens are accepted. At least one of Secrets and JWKS is
// required.
type Options struct {
	Secrets []string // HS256; a token signed with any of them is valid
	JWKS    string   // http(s) URL or file of a key set (RFC 7517): RS256, ES256, EdDSA
	// If Audiences is set, aud must name one of them. If Issuer is set, iss must be equal
	// to it.
	Audiences []string
	Issuer    string
	// NoExpiry accepts tokens without an exp claim, which never expire.
	NoExpiry bool
	Client   *http.Client // fetches the key set; nil: one with a timeout
}

// Verifier checks client tokens. It is safe for concurrent use.
type Verifier struct {
	secrets jwt.VerificationKeySet
	keys    *keySet // nil without JWKS
	methods []string
	parser  *jwt.Parser

	// Requirements on the claims, for error messages; parser checks them.
	audiences []string
	issuer    string
	noExpiry  bool
}

// New returns a Verifier. It loads the key set, so that a wrong address is reported before
// the first client connects.
func New(o Options) (*Verifier, error) {
	v := &Verifier{audiences: o.Audiences, issuer: o.Issuer, noExpiry: o.NoExpiry}
	for _, secret := range o.Secrets {
		if len(secret) < MinSecret {
			return nil, shortSecret(secret)
		}
		v.secrets.Keys = append(v.secrets.Keys, []byte(secret))
	}
	if len(o.Secrets) > 0 {
		v.methods = append(v.methods, hs256)
	}
	if o.JWKS != "" {
		keys, err := newKeySet(o.JWKS, o.Client)
		if err != nil {
			return nil, err
		}
		v.keys = keys
		v.methods = append(v.methods, rs256, es256, edDSA)
	}
	if len(v.methods) == 0 {
		return nil, errors.New("a token secret or a key set is needed")
	}
	v.parser = jwt.NewParser(o.rules()...)
	return v, nil
}

// rules returns the checks of the claims.
func (o *Options) rules() []jwt.ParserOption {
	rules := []jwt.ParserOption{jwt.WithLeeway(Leeway), jwt.WithIssuedAt()}
	if !o.NoExpiry {
		rules = append(rules, jwt.WithExpirationRequired())
	}
	if len(o.Audiences) > 0 {
		rules = append(rules, jwt.WithAudience(o.Audiences...))
	}
	if o.Issuer != "" {
		rules = append(rules, jwt.WithIssuer(o.Issuer))
	}
	return rules
}

// Verify checks a token and returns its identity. An error has the code Unauthorized and
// describes what is wrong, or Unavailable if the token's key could not be fetched.
func (v *Verifier) Verify(ctx context.Context, token string) (wirepost.Identity, error) {
	if token == "" {
		return wirepost.Identity{}, refuse("a token is needed")
	}
	if len(token) > maxToken {
		return wirepost.Identity{}, refuse("the token has %d bytes, more than %d", len(token), maxToken)
	}
	var c claims
	_, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		return v.keysFor(ctx, t)
	})
	if err != nil {
		return wirepost.Identity{}, v.explain(err, &c)
	}
	return c.identity()
}

// keysFor returns the keys that may have signed a token. It alone decides which algorithms
// are allowed: those that belong to a configured kind of key.
func (v *Verifier) keysFor(ctx context.Context, t *jwt.Token) (any, error) {
	alg := t.Method.Alg()
	if !slices.Contains(v.methods, alg) {
		return nil, refuse("the token is signed with %s; allowed here: %s", alg, strings.Join(v.methods, ", "))
	}
	if _, found := t.Header["crit"]; found {
		// RFC 7515 §4.1.11: extensions that are not understood must be refused.
		return nil, refuse("the token's header asks for extensions (crit) that are not supported")
	}
	if err := checkHeader(t.Raw); err != nil {
		return nil, err
	}
	if alg == hs256 {
		return v.secrets, nil
	}
	kid, _ := t.Header["kid"].(string)
	return v.keys.find(ctx, kid, alg)
}

// checkHeader rejects a header with duplicate members: another parser may use the other
// one.
func checkHeader(token string) error {
	header, _, _ := strings.Cut(token, ".")
	data, err := base64.RawURLEncoding.DecodeString(header)
	if err == nil {
		err = strict.Object(data, func(string, []byte) error { return nil })
	}
	if err != nil {
		return refuse("the token's header is malformed: %s", err)
	}
	return nil
}

// explain makes the error for an invalid token. It describes what is wrong and reveals
// nothing about the keys.
func (v *Verifier) explain(err error, c *claims) error {
	if own, ok := errors.AsType[*wirepost.Error](err); ok {
		return own
	}
	var message string
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		message = malformed(err)
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		message = "the token names no known signing algorithm; allowed here: " + strings.Join(v.methods, ", ")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		message = "the token's signature is wrong"
	case errors.Is(err, jwt.ErrTokenExpired):
		message = "the token expired at " + stamp(c.ExpiresAt)
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		message = "the token is not valid before " + stamp(c.NotBefore)
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		message = "the token is from the future: it was issued at " + stamp(c.IssuedAt)
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing) && c.ExpiresAt == nil && !v.noExpiry:
		message = "the token has no exp claim, which sets its expiry"
	case errors.Is(err, jwt.ErrTokenInvalidAudience), errors.Is(err, jwt.ErrTokenRequiredClaimMissing) && !c.hasAudience() && len(v.audiences) > 0:
		message = "the token is not for this audience: aud has to name " + strings.Join(v.audiences, " or ")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer), errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		message = "the token is not of this issuer: iss has to be " + v.issuer
	default:
		message = "the token is not valid"
	}
	return &wirepost.Error{Code: wirepost.CodeUnauthorized, Message: message, Err: err}
}

func refuse(format string, args ...any) *wirepost.Error {
	return wirepost.Errorf(wirepost.CodeUnauthorized, format, args...)
}
