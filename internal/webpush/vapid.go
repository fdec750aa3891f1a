package webpush

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/url"
	"strings"
	"time"
)

// tokenLife is how long a token is valid; at most 24 hours are allowed (RFC 8292, section 2).
const tokenLife = 12 * time.Hour

// KeyPair is the key pair with which a server identifies itself to push services. Browsers
// subscribe with its public key.
type KeyPair struct {
	private *ecdsa.PrivateKey
	public  string
}

// GenerateKeyPair makes a key pair.
func GenerateKeyPair() (*KeyPair, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return newKeyPair(private)
}

func newKeyPair(private *ecdsa.PrivateKey) (*KeyPair, error) {
	public, err := private.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	return &KeyPair{private, base64.RawURLEncoding.EncodeToString(public)}, nil
}

// Public is the public key as browsers want it: base64url of the uncompressed point.
func (k *KeyPair) Public() string { return k.public }

// encode is the inverse of ParseKeyPair.
func (k *KeyPair) encode() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParseKeyPair reads a key pair: a private key on P-256 as PEM (PKCS #8 or SEC 1), or what the
// tools for Web Push print: the private key as base64url, alone, or with the public key, also
// with words around them or as JSON. An error contains no key.
func ParseKeyPair(text string) (*KeyPair, error) {
	if strings.Contains(text, "-----BEGIN") {
		return parsePEM([]byte(text))
	}
	var private []byte
	var public string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n\"',:;{}", r) }) {
		raw, err := decodeBase64(word)
		switch {
		case err != nil:
		case len(raw) == 32 && private != nil && string(private) != string(raw), len(raw) == 65 && raw[0] == 4 && public != "":
			return nil, errors.New("there is more than one key pair")
		case len(raw) == 32:
			private = raw
		case len(raw) == 65 && raw[0] == 4:
			public = base64.RawURLEncoding.EncodeToString(raw)
		}
	}
	if private == nil {
		return nil, errors.New("there is no private key: it is PEM, or base64url of 32 bytes (43 characters)")
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), private)
	if err != nil {
		return nil, errors.New("the private key is not one of the curve P-256")
	}
	pair, err := newKeyPair(key)
	if err == nil && public != "" && public != pair.public {
		err = errors.New("the public key does not belong to the private key")
	}
	return pair, err
}

func parsePEM(text []byte) (*KeyPair, error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, errors.New("the PEM has no private key")
		}
		var parsed any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			parsed, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the private key is encrypted")
		default: // such as EC PARAMETERS, which openssl writes before the key
			continue
		}
		private, ok := parsed.(*ecdsa.PrivateKey)
		if err != nil || !ok || private.Curve != elliptic.P256() {
			return nil, errors.New("the private key is not one of the curve P-256")
		}
		return newKeyPair(private)
	}
}

// authorization is the header that identifies the server to the push service of an endpoint
// (RFC 8292).
func (k *KeyPair) authorization(endpoint *url.URL, subject string, now time.Time) (string, error) {
	claims, err := json.Marshal(struct {
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
		Subject  string `json:"sub"`
	}{originOf(endpoint), now.Add(tokenLife).Unix(), subject})
	if err != nil {
		return "", err
	}
	signed := encodedHeader + "." + base64.RawURLEncoding.EncodeToString(claims)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, digest[:])
	if err != nil {
		return "", err
	}
	var signature [64]byte // RFC 7518, section 3.4
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return "vapid t=" + signed + "." + base64.RawURLEncoding.EncodeToString(signature[:]) + ", k=" + k.public, nil
}

var encodedHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`))

// originOf is the origin of a URL, without a port that its scheme implies (RFC 6454, section
// 6.2).
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}
