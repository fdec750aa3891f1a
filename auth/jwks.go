package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/wirepost/wirepost/internal/strict"
)

// The supported algorithms (RFC 7518 §3.1, RFC 8037 §3.1).
const (
	hs256 = "HS256"
	rs256 = "RS256"
	es256 = "ES256"
	edDSA = "EdDSA"
)

const (
	// maxKeys bounds a key set. Real key sets have two or three keys.
	maxKeys = 100
	// minRSA is the smallest modulus in bits (RFC 7518 §3.3).
	minRSA = 2048
	// maxRSA bounds the cost of a check, whatever the key set contains.
	maxRSA = 8192
)

// publicKey is one usable key of a set, with the only algorithm it is used for.
type publicKey struct {
	id  string
	alg string
	key crypto.PublicKey
}

// jwk is a key in the form of RFC 7517.
type jwk struct {
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Alg string `json:"alg"`
	Use string `json:"use"`
	Crv string `json:"crv"`
	N   string `json:"n"`
	E   string `json:"e"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

// parseKeySet reads a key set. Keys for other purposes or algorithms, and entries that are
// not keys, are ignored, as RFC 7517 §5 requires, but a set without any usable key is an
// error.
func parseKeySet(data []byte) ([]publicKey, error) {
	var entries []json.RawMessage
	err := strict.Object(data, func(name string, value []byte) error {
		if name != "keys" {
			return nil
		}
		return json.Unmarshal(value, &entries)
	})
	if err != nil {
		return nil, fmt.Errorf("is not a key set: %w", err)
	}
	if len(entries) > maxKeys {
		return nil, fmt.Errorf("has %d keys, more than %d", len(entries), maxKeys)
	}
	var keys []publicKey
	first := errors.New("it is empty")
	for i, entry := range entries {
		key, err := parseKey(entry)
		if err == nil {
			keys = append(keys, key)
		} else if i == 0 {
			first = err
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("has no key for %s, %s or %s: %w", rs256, es256, edDSA, first)
	}
	return keys, nil
}

func parseKey(entry []byte) (publicKey, error) {
	var k jwk
	if err := strict.Object(entry, k.member); err != nil {
		return publicKey{}, fmt.Errorf("the first entry: %w", err)
	}
	key, err := k.public()
	if err != nil {
		err = fmt.Errorf("key %q: %w", k.Kid, err)
	}
	return key, err
}

// member reads one member of a key; unknown ones are ignored.
func (k *jwk) member(name string, value []byte) error {
	fields := map[string]*string{
		"kty": &k.Kty, "kid": &k.Kid, "alg": &k.Alg, "use": &k.Use, "crv": &k.Crv,
		"n": &k.N, "e": &k.E, "x": &k.X, "y": &k.Y,
	}
	field := fields[name]
	if field == nil || string(value) == "null" {
		return nil
	}
	var err error
	if *field, err = strict.String(value); err != nil {
		return fmt.Errorf("%s is %w", name, err)
	}
	return nil
}

// public reads one key. The key's type determines its algorithm; a key that names another
// one is not used.
func (k *jwk) public() (publicKey, error) {
	if k.Use != "" && k.Use != "sig" {
		return publicKey{}, fmt.Errorf("is for %q, not for signatures", k.Use)
	}
	p := publicKey{id: k.Kid}
	var err error
	switch {
	case k.Kty == "RSA":
		p.alg = rs256
		p.key, err = k.rsa()
	case k.Kty == "EC" && k.Crv == "P-256":
		p.alg = es256
		p.key, err = k.p256()
	case k.Kty == "OKP" && k.Crv == "Ed25519":
		p.alg = edDSA
		p.key, err = k.ed25519()
	default:
		err = fmt.Errorf("type %q %s is not supported", k.Kty, k.Crv)
	}
	if err == nil && k.Alg != "" && k.Alg != p.alg {
		err = fmt.Errorf("algorithm %s is not supported", k.Alg)
	}
	return p, err
}

func (k *jwk) rsa() (crypto.PublicKey, error) {
	n, err := base64.RawURLEncoding.DecodeString(k.N)
	if err != nil {
		return nil, fmt.Errorf("n: %w", err)
	}
	e, err := base64.RawURLEncoding.DecodeString(k.E)
	if err != nil {
		return nil, fmt.Errorf("e: %w", err)
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n)}
	if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
		return nil, fmt.Errorf("an RSA key of %d bits; %d to %d are accepted", bits, minRSA, maxRSA)
	}
	exponent := new(big.Int).SetBytes(e)
	if exponent.BitLen() > 31 || exponent.Int64() < 3 || exponent.Bit(0) == 0 {
		return nil, errors.New("invalid RSA exponent")
	}
	key.E = int(exponent.Int64())
	return key, nil
}

func (k *jwk) p256() (crypto.PublicKey, error) {
	x, err := base64.RawURLEncoding.DecodeString(k.X)
	if err != nil {
		return nil, fmt.Errorf("x: %w", err)
	}
	y, err := base64.RawURLEncoding.DecodeString(k.Y)
	if err != nil {
		return nil, fmt.Errorf("y: %w", err)
	}
	// The uncompressed point of SEC 1 §2.3.3; parsing checks that it is on the
	// curve.
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
}

func (k *jwk) ed25519() (crypto.PublicKey, error) {
	x, err := base64.RawURLEncoding.DecodeString(k.X)
	if err != nil {
		return nil, fmt.Errorf("x: %w", err)
	}
	if len(x) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("an Ed25519 key of %d bytes", len(x))
	}
	return ed25519.PublicKey(x), nil
}
