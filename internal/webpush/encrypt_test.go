package webpush

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/wirepost/wirepost/internal/webpush/pushtest"
)

// The values of RFC 8291, appendix A.
const (
	rfcText      = "When I grow up, I want to be a watermelon"
	rfcServerKey = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
	rfcPublic    = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
	rfcBrowser   = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
	rfcP256dh    = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
	rfcAuth      = "BTBZMqHH6r4Tts7J_aSIgg"
	rfcSalt      = "DGv6ra1nlYgDCS1FRnbzlw"
	rfcBody      = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)

func raw(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func privateKey(t *testing.T, text string) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.P256().NewPrivateKey(raw(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestRFC8291: the example of the RFC is encrypted to exactly its bytes, and decrypted by the
// push service of the tests.
func TestRFC8291(t *testing.T) {
	t.Parallel()
	body, err := encrypt([]byte(rfcText), raw(t, rfcP256dh), raw(t, rfcAuth), raw(t, rfcSalt), privateKey(t, rfcServerKey), 0)
	if err != nil || base64.RawURLEncoding.EncodeToString(body) != rfcBody {
		t.Errorf("%s, %v", base64.RawURLEncoding.EncodeToString(body), err)
	}
	text, padding, err := pushtest.Decrypt(raw(t, rfcBody), privateKey(t, rfcBrowser), raw(t, rfcAuth))
	if err != nil || string(text) != rfcText || padding != 0 {
		t.Errorf("%q with %d bytes of padding, %v", text, padding, err)
	}
}

// TestPadding: what is sent has one of four lengths, and no text that fits is too long.
func TestPadding(t *testing.T) {
	t.Parallel()
	for n, size := range map[int]int{0: 1024, 1024 - overhead: 1024, 1025 - overhead: 2048, 3072 - overhead: 3072, maxText: 4096} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			want := bytes.Repeat([]byte("x"), n)
			body, err := encrypt(want, raw(t, rfcP256dh), raw(t, rfcAuth), raw(t, rfcSalt), privateKey(t, rfcServerKey), sizeFor(want))
			if err != nil || len(body) != size {
				t.Fatalf("%d bytes, %v", len(body), err)
			}
			text, padding, err := pushtest.Decrypt(body, privateKey(t, rfcBrowser), raw(t, rfcAuth))
			if err != nil || !bytes.Equal(text, want) || padding != size-overhead-n {
				t.Errorf("%d bytes and %d of padding, %v", len(text), padding, err)
			}
		})
	}
	if maxText != 3993 {
		t.Errorf("%d bytes of text fit", maxText)
	}
}

func BenchmarkEncrypt(b *testing.B) {
	key, err := ecdh.P256().NewPrivateKey(must(base64.RawURLEncoding.DecodeString(rfcServerKey)))
	if err != nil {
		b.Fatal(err)
	}
	p256dh, auth := must(base64.RawURLEncoding.DecodeString(rfcP256dh)), must(base64.RawURLEncoding.DecodeString(rfcAuth))
	for b.Loop() {
		if _, err := encrypt([]byte(rfcText), p256dh, auth, auth, key, 1024); err != nil {
			b.Fatal(err)
		}
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
