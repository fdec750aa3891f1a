// Package signing signs requests to an application's backend as Standard Webhooks
// (https://www.standardwebhooks.com), so that published libraries can verify them.
package signing

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers, in the canonical form of package http. The specification writes them in
// lower case.
const (
	IDHeader        = "Webhook-Id"
	TimestampHeader = "Webhook-Timestamp"
	SignatureHeader = "Webhook-Signature"
)

// Prefix is what a secret begins with.
const Prefix = "whsec_"

// MinSecret is the smallest length of a secret that the specification recommends, in
// bytes before they are encoded.
const MinSecret = 24

// Secret is a key of HMAC-SHA256.
type Secret []byte

// ParseSecret parses the form whsec_BASE64. The error does not contain the secret.
func ParseSecret(text string) (Secret, error) {
	encoded, ok := strings.CutPrefix(text, Prefix)
	if !ok {
		return nil, errors.New("the secret does not begin with whsec_" + howToMake)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case err != nil:
		return nil, errors.New("what follows whsec_ is not base64 (standard alphabet, with padding)" + howToMake)
	case len(key) < MinSecret:
		return nil, fmt.Errorf("the secret has %d bytes, at least %d are needed%s", len(key), MinSecret, howToMake)
	}
	return key, nil
}

const howToMake = `: make one with echo "whsec_$(openssl rand -base64 32)"`

// NewID returns a new value for webhook-id. A request that is sent again keeps its ID.
func NewID() string { return "msg_" + rand.Text() }

// Sign sets the headers of a request with a body. There is one signature for each secret,
// so that the receiver may know only the old or only the new one while it is replaced.
// Without secrets there is no signature.
func Sign(h http.Header, secrets []Secret, id string, at time.Time, body []byte) {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	h.Set(IDHeader, id)
	h.Set(TimestampHeader, timestamp)
	var signatures []byte
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		for _, part := range [...]string{id, ".", timestamp, "."} {
			mac.Write([]byte(part))
		}
		mac.Write(body)
		if signatures != nil {
			signatures = append(signatures, ' ')
		}
		signatures = append(signatures, "v1,"...)
		signatures = base64.StdEncoding.AppendEncode(signatures, mac.Sum(nil))
	}
	if signatures != nil {
		h.Set(SignatureHeader, string(signatures))
	}
}
