package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os/exec"
	"time"
)

// The keys of a server that runs for seconds on loopback.
const (
	apiKey      = "an-api-key-for-the-benchmark-only"
	tokenSecret = "a-token-secret-for-the-benchmark-only"
)

// serveCommand runs wirepost serve.
func serveCommand(engine string) (*exec.Cmd, error) {
	path, err := binary()
	if err != nil {
		return nil, err
	}
	return exec.Command(path, "serve", "--listen", "127.0.0.1:0", "--engine", engine,
		"--api-key", apiKey, "--token-secret", tokenSecret, "--log-level", "warn"), nil
}

// token returns a JWT (RFC 7519) for a user.
func token(user string) string {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
		encode(fmt.Appendf(nil, `{"sub":%q,"exp":%d}`, user, time.Now().Add(time.Hour).Unix()))
	h := hmac.New(sha256.New, []byte(tokenSecret))
	h.Write([]byte(signed))
	return signed + "." + encode(h.Sum(nil))
}
