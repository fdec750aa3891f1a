package webpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

const (
	// maxBody is how large the body of a request may be, as every push service accepts it
	// (RFC 8030, section 7.2).
	maxBody = 4096
	// overhead is what encryption adds to a text: the header with the salt, the size of records
	// and the key, the delimiter, and the tag.
	overhead = 16 + 4 + 1 + 65 + 1 + 16
	// maxText is how much text fits into a body.
	maxText = maxBody - overhead
)

// sizes are those of bodies. A text is padded to the next one, so that its length, which
// anybody on the way can see, says little about it.
var sizes = [...]int{1024, 2048, 3072, maxBody}

// encrypt encrypts a text of at most maxText bytes for a subscription (RFC 8291): one record
// of the encoding aes128gcm (RFC 8188). The salt and the key are used once.
func encrypt(text, p256dh, auth, salt []byte, key *ecdh.PrivateKey, size int) ([]byte, error) {
	browser, err := ecdh.P256().NewPublicKey(p256dh)
	if err != nil {
		return nil, err
	}
	secret, err := key.ECDH(browser)
	if err != nil {
		return nil, err
	}
	ours := key.PublicKey().Bytes()
	info := slices.Concat([]byte("WebPush: info\x00"), p256dh, ours)
	ikm, err := hkdf.Key(sha256.New, secret, auth, string(info), 32)
	if err != nil {
		return nil, err
	}
	gcm, nonce, err := contentCipher(ikm, salt)
	if err != nil {
		return nil, err
	}
	body := make([]byte, 0, size)
	body = append(body, salt...)
	body = binary.BigEndian.AppendUint32(body, maxBody)
	body = append(append(body, byte(len(ours))), ours...)
	padded := append(append(make([]byte, 0, size), text...), 2) // the delimiter of the last record
	if pad := size - overhead - len(text); pad > 0 {
		padded = append(padded, make([]byte, pad)...)
	}
	return gcm.Seal(body, nonce, padded, nil), nil
}

// contentCipher derives the cipher of the only record (RFC 8188, section 2.2).
func contentCipher(ikm, salt []byte) (gcm cipher.AEAD, nonce []byte, err error) {
	key, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, nil, err
	}
	if nonce, err = hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12); err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	gcm, err = cipher.NewGCM(block)
	return gcm, nonce, err
}

// sizeFor is the size of the body for a text.
func sizeFor(text []byte) int {
	for _, size := range sizes {
		if len(text) <= size-overhead {
			return size
		}
	}
	return len(text) + overhead
}
