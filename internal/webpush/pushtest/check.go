package pushtest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var topicForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// header checks the headers of RFC 8030.
func (m *Message) header(method string, h http.Header) (err error) {
	if method != http.MethodPost {
		return fmt.Errorf("the method is %s", method)
	}
	for _, name := range []string{"Ttl", "Urgency", "Topic", "Content-Encoding", "Content-Type", "Authorization"} {
		if len(h[name]) > 1 {
			return fmt.Errorf("the header %s is there %d times", name, len(h[name]))
		}
	}
	if m.TTL, err = strconv.Atoi(h.Get("TTL")); err != nil || m.TTL < 0 {
		return fmt.Errorf("the TTL is %q", h.Get("TTL"))
	}
	if m.Urgency = h.Get("Urgency"); !slices.Contains([]string{"", "very-low", "low", "normal", "high"}, m.Urgency) {
		return fmt.Errorf("the urgency is %q", m.Urgency)
	}
	if m.Topic = h.Get("Topic"); h["Topic"] != nil && !topicForm.MatchString(m.Topic) {
		return fmt.Errorf("the topic is %q", m.Topic)
	}
	if got := h.Get("Content-Encoding"); got != "aes128gcm" {
		return fmt.Errorf("the content encoding is %q", got)
	}
	return nil
}

// identify checks the token of RFC 8292.
func (m *Message) identify(authorization, origin string) error {
	parameters, ok := strings.CutPrefix(authorization, "vapid ")
	if !ok {
		return fmt.Errorf("the authorization is %q", authorization)
	}
	values := map[string]string{}
	for part := range strings.SplitSeq(parameters, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		values[name] = value
	}
	m.Key = values["k"]
	point, err := base64.RawURLEncoding.Strict().DecodeString(m.Key)
	if err != nil {
		return fmt.Errorf("the key is not base64url: %w", err)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return fmt.Errorf("the key: %w", err)
	}
	var claims jwt.RegisteredClaims
	_, err = jwt.ParseWithClaims(values["t"], &claims, func(*jwt.Token) (any, error) { return public, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience(origin), jwt.WithExpirationRequired())
	if err != nil {
		return fmt.Errorf("the token: %w", err)
	}
	if left := time.Until(claims.ExpiresAt.Time); left > 24*time.Hour {
		return fmt.Errorf("the token is valid for %s", left)
	}
	if m.Subject = claims.Subject; !strings.HasPrefix(m.Subject, "mailto:") && !strings.HasPrefix(m.Subject, "https:") {
		return fmt.Errorf("the subject is %q", m.Subject)
	}
	return nil
}

// Decrypt decrypts the body of a request as a browser does (RFC 8291), and returns the text
// and the number of bytes of padding.
func Decrypt(body []byte, private *ecdh.PrivateKey, auth []byte) (text []byte, padding int, err error) {
	if len(body) < 21 {
		return nil, 0, errors.New("the body is too short")
	}
	salt, recordSize, idLength := body[:16], int(binary.BigEndian.Uint32(body[16:])), int(body[20])
	if len(body) < 21+idLength {
		return nil, 0, errors.New("the body is too short")
	}
	id, record := body[21:21+idLength], body[21+idLength:]
	if recordSize < 18 || len(record) > recordSize {
		return nil, 0, fmt.Errorf("a record of %d bytes, where the size is %d", len(record), recordSize)
	}
	sender, err := ecdh.P256().NewPublicKey(id)
	if err != nil {
		return nil, 0, err
	}
	shared, err := private.ECDH(sender)
	if err != nil {
		return nil, 0, err
	}
	expand := func(secret, salt []byte, info string, length int) []byte {
		prk, e := hkdf.Extract(sha256.New, secret, salt)
		key, e2 := hkdf.Expand(sha256.New, prk, info, length)
		err = errors.Join(err, e, e2)
		return key
	}
	ikm := expand(shared, auth, "WebPush: info\x00"+string(private.PublicKey().Bytes())+string(id), 32)
	key := expand(ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce := expand(ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, 0, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, 0, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, 0, err
	}
	padded, err := gcm.Open(nil, nonce, record, nil)
	if err != nil {
		return nil, 0, err
	}
	text = []byte(strings.TrimRight(string(padded), "\x00"))
	if len(text) == 0 || text[len(text)-1] != 2 {
		return nil, 0, errors.New("the record does not end as the last one does")
	}
	return text[:len(text)-1], len(padded) - len(text), nil
}
