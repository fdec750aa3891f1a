package ws

import (
	"crypto/sha1"
	"encoding/base64"
)

// AppendAccept appends the Sec-WebSocket-Accept value of a handshake with that
// Sec-WebSocket-Key (RFC 6455 §4.2.2, item 5.4).
func AppendAccept(b []byte, key string) []byte {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.AppendEncode(b, sum[:])
}
