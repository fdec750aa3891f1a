package jetstream

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"time"
)

// derive returns 32 bytes that follow from a secret and a purpose.
func derive(secret, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, purpose, 32)
	if err != nil {
		panic(err) // the length is allowed
	}
	return key
}

// routePassword is the password of routes.
func routePassword(secret string) string {
	return hex.EncodeToString(derive(secret, "wirepost routes, password"))
}

// errSecret says that the other end of a connection has another secret.
var errSecret = errors.New("the other server has another secret")

// secretTLS returns a configuration with which both ends of a connection prove that they
// know a secret: their certificates have the key that follows from it. Nothing else in the
// certificates matters, so servers need no authority, and no names.
func secretTLS(secret string) (*tls.Config, error) {
	key := ed25519.NewKeyFromSeed(derive(secret, "wirepost routes, key"))
	public := key.Public().(ed25519.PublicKey)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "wirepost"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS13,
		ClientAuth:   tls.RequireAnyClientCert,
		// VerifyConnection replaces the check of names and authorities.
		InsecureSkipVerify: true, //nolint:gosec // see above
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errSecret
			}
			other, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
			if !ok || !bytes.Equal(other, public) {
				return errSecret
			}
			return nil
		},
	}, nil
}
