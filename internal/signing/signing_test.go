package signing

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The test vector that the libraries of Standard Webhooks share.
const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

var vectorTime = time.Unix(1614265330, 0)

func TestVector(t *testing.T) {
	t.Parallel()
	secret, err := ParseSecret(vectorSecret)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	Sign(h, []Secret{secret}, vectorID, vectorTime, []byte(vectorBody))
	for name, want := range map[string]string{
		"webhook-id": vectorID, "webhook-timestamp": "1614265330", "webhook-signature": vectorSignature,
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, not %q", name, got, want)
		}
	}
}

// TestRotation: each secret has a signature of its own, in the order of the secrets.
func TestRotation(t *testing.T) {
	t.Parallel()
	old, err := ParseSecret(vectorSecret)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	Sign(h, []Secret{[]byte(strings.Repeat("n", 24)), old}, vectorID, vectorTime, []byte(vectorBody))
	signatures := strings.Split(h.Get("webhook-signature"), " ")
	if len(signatures) != 2 || signatures[1] != vectorSignature || signatures[0] == vectorSignature {
		t.Errorf("%q", signatures)
	}
	h = http.Header{}
	Sign(h, nil, vectorID, vectorTime, nil)
	if _, signed := h[SignatureHeader]; signed || h.Get("webhook-id") != vectorID {
		t.Errorf("without secrets: %v", h)
	}
}

func TestParseSecret(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                       "does not begin with whsec_",
		"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw":       "does not begin with whsec_",
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_": "is not base64",
		"whsec_":                                 "has 0 bytes",
		"whsec_c2VjcmV0":                         "has 6 bytes",
		"whsec_secret\n":                         "is not base64",
	} {
		_, err := ParseSecret(text)
		switch {
		case err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "openssl rand -base64 32"):
			t.Errorf("%q: %v", text, err)
		case len(text) > len(Prefix)+8 && strings.Contains(err.Error(), text[len(Prefix):]):
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	a, b := NewID(), NewID()
	if a == b || !strings.HasPrefix(a, "msg_") || strings.Contains(a, ".") { // the specification forbids full stops
		t.Errorf("%s, %s", a, b)
	}
}
