package webpush

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"strings"
	"testing"
)

// TestParseKeyPair: key pairs are read in the forms that tools write, and nothing else is
// taken for one.
func TestParseKeyPair(t *testing.T) {
	t.Parallel()
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw(t, rfcServerKey))
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pkcs8 := func(key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return block("PRIVATE KEY", der, err)
	}
	sec1der, err := x509.MarshalECPrivateKey(private)
	sec1 := block("EC PRIVATE KEY", sec1der, err)
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ofRSA, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ text, fails string }{
		"PKCS 8":          {text: pkcs8(private)},
		"SEC 1":           {text: sec1},
		"openssl":         {text: block("EC PARAMETERS", []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}, nil) + sec1},
		"private alone":   {text: rfcServerKey + "\n"},
		"padded":          {text: rfcServerKey + "="},
		"web-push":        {text: "\n=======\n\nPublic Key:\n" + rfcPublic + "\n\nPrivate Key:\n" + rfcServerKey + "\n\n=======\n"},
		"JSON":            {text: `{"publicKey":"` + rfcPublic + `","privateKey":"` + rfcServerKey + `"}`},
		"another pair":    {text: rfcP256dh + " " + rfcServerKey, fails: "does not belong to"},
		"two pairs":       {text: rfcServerKey + " " + rfcBrowser, fails: "more than one"},
		"public alone":    {text: rfcPublic, fails: "no private key"},
		"nothing":         {fails: "no private key"},
		"zero":            {text: strings.Repeat("A", 43), fails: "not one of the curve P-256"},
		"P-384":           {text: pkcs8(other), fails: "not one of the curve P-256"},
		"RSA":             {text: pkcs8(ofRSA), fails: "not one of the curve P-256"},
		"broken":          {text: block("PRIVATE KEY", []byte("x"), nil), fails: "not one of the curve P-256"},
		"encrypted":       {text: block("ENCRYPTED PRIVATE KEY", []byte("x"), nil), fails: "encrypted"},
		"PEM without key": {text: block("CERTIFICATE", []byte("x"), nil), fails: "no private key"},
	} {
		pair, err := ParseKeyPair(tt.text)
		switch {
		case tt.fails != "":
			if err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), rfcServerKey) {
				t.Errorf("%s: %v", name, err)
			}
		case err != nil || pair.Public() != rfcPublic:
			t.Errorf("%s: %v", name, err)
		default:
			text, err := pair.encode()
			if again, e := ParseKeyPair(string(text)); err != nil || e != nil || again.Public() != rfcPublic {
				t.Errorf("%s: encoded %v, then %v", name, err, e)
			}
		}
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"https://push.example/a/b?c": "https://push.example", "https://PUSH.example:443/": "https://push.example",
		"https://push.example:8443/": "https://push.example:8443", "http://127.0.0.1:80/x": "http://127.0.0.1", "https://[2a00::1]:443/": "https://[2a00::1]",
	} {
		u, err := url.Parse(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if got := originOf(u); got != want {
			t.Errorf("%s: %s", endpoint, got)
		}
	}
}

func TestCheckSubject(t *testing.T) {
	t.Parallel()
	for subject, ok := range map[string]bool{
		"mailto:ops@example.com": true, "https://example.com/contact": true,
		"": false, "ops@example.com": false, "mailto:ops": false, "mailto:@example.com": false, "mailto:": false,
		"http://example.com": false, "https:///x": false, "mailto:a@b, c@d": false, "mailto:A <a@b>": false, "https://%": false,
	} {
		if err := CheckSubject(subject); (err == nil) != ok {
			t.Errorf("%q: %v", subject, err)
		}
	}
}
