package webpush

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/internal/fault"
	"github.com/wirepost/wirepost/internal/strict"
)

const (
	// maxEndpoint is the longest endpoint, in bytes. Those of the known push services have at
	// most 600.
	maxEndpoint = 2048
	authSize    = 16
)

// Parse reads a subscription in the form that PushSubscription.toJSON() has in browsers
// (https://www.w3.org/TR/push-api/). Its errors name the member that is wrong.
func (s *Subscriptions) Parse(text []byte) (engine.PushSubscription, error) {
	var sub engine.PushSubscription
	members := map[string]json.RawMessage{}
	err := strict.Object(text, func(name string, value []byte) error {
		members[name] = value
		return nil
	})
	if err != nil {
		return sub, fault.Field("subscription", "%s", wordJSON(err))
	}
	if sub.Endpoint, err = s.endpoint(members["endpoint"]); err != nil {
		return sub, fault.Field("endpoint", "%s", err)
	}
	if sub.Expires, err = s.expiration(members["expirationTime"]); err != nil {
		return sub, fault.Field("expirationTime", "%s", err)
	}
	keys := map[string]json.RawMessage{}
	if given := members["keys"]; given == nil || given[0] != '{' {
		return sub, fault.Field("keys", "the object with p256dh and auth is missing")
	} else if err := strict.Object(given, func(name string, value []byte) error {
		keys[name] = value
		return nil
	}); err != nil {
		return sub, fault.Field("keys", "%s", err)
	}
	if sub.P256dh, err = publicKey(keys["p256dh"]); err != nil {
		return sub, fault.Field("keys.p256dh", "%s", err)
	}
	if sub.Auth, err = secret(keys["auth"]); err != nil {
		return sub, fault.Field("keys.auth", "%s", err)
	}
	return sub, nil
}

// wordJSON words an error of strict.Object.
func wordJSON(err error) string {
	if errors.Is(err, strict.ErrNotObject) {
		return "it is not an object with endpoint and keys, as PushSubscription.toJSON() has it"
	}
	return err.Error()
}

func (s *Subscriptions) endpoint(value json.RawMessage) (string, error) {
	if value == nil {
		return "", errors.New("it is missing")
	}
	text, err := strict.String(value)
	if err != nil {
		return "", err
	}
	switch {
	case len(text) > maxEndpoint:
		return "", errors.New("it is too long")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", errors.New("it has characters that a URL cannot have")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "", errors.New("it is not a URL with a host")
	case u.User != nil || strings.Contains(text, "#"):
		return "", errors.New("it has a user name, a password or a fragment")
	case !validPort(u.Port()):
		return "", errors.New("its port is not one from 1 to 65535")
	}
	return text, s.allow.checkEndpoint(u)
}

// validPort reports whether the port of a URL, if it has one, exists.
func validPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && n > 0
}

// expiration reads when a subscription ends, in ms since the epoch: a number that need not be
// whole, or null.
func (s *Subscriptions) expiration(value json.RawMessage) (int64, error) {
	if value == nil || string(value) == "null" {
		return 0, nil
	}
	var ms float64
	if err := json.Unmarshal(value, &ms); err != nil {
		return 0, errors.New("it is neither null nor a number of milliseconds since 1970")
	}
	now := float64(s.now().UnixMilli())
	switch {
	case ms <= now:
		return 0, errors.New("it is in the past: the browser has to subscribe again")
	case ms > now+float64((100*365*24*time.Hour).Milliseconds()):
		return 0, errors.New("it is more than 100 years ahead")
	}
	return int64(ms), nil
}

func publicKey(value json.RawMessage) ([]byte, error) {
	key, err := decodeKey(value)
	if err != nil {
		return nil, err
	}
	if len(key) != 65 || key[0] != 4 {
		return nil, errors.New("it is not an uncompressed P-256 public key, which has 65 bytes")
	}
	if _, err := ecdh.P256().NewPublicKey(key); err != nil {
		return nil, errors.New("it is not a point of the curve P-256")
	}
	return key, nil
}

func secret(value json.RawMessage) ([]byte, error) {
	key, err := decodeKey(value)
	if err == nil && len(key) != authSize {
		err = errors.New("it does not have 16 bytes")
	}
	return key, err
}

// decodeKey decodes base64url. Some clients write the standard alphabet, or padding.
func decodeKey(value json.RawMessage) ([]byte, error) {
	if value == nil {
		return nil, errors.New("it is missing")
	}
	text, err := strict.String(value)
	if err != nil {
		return nil, err
	}
	key, err := decodeBase64(text)
	if err != nil {
		return nil, errors.New("it is not base64url")
	}
	return key, nil
}

func decodeBase64(text string) ([]byte, error) {
	text = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("line break in base64")
	}
	return base64.RawURLEncoding.Strict().DecodeString(text)
}
