package ws

import (
	"encoding/binary"
	"math/bits"
)

// mask applies or removes a client's mask (RFC 6455 §5.3); b begins at byte pos of the
// payload.
func mask(b []byte, key [4]byte, pos int) {
	k := bits.RotateLeft32(binary.LittleEndian.Uint32(key[:]), -8*(pos&3))
	if len(b) >= 8 {
		k8 := uint64(k)<<32 | uint64(k)
		for len(b) >= 64 {
			// One bounds check for all eight words.
			p := (*[64]byte)(b)
			binary.LittleEndian.PutUint64(p[0:], binary.LittleEndian.Uint64(p[0:])^k8)
			binary.LittleEndian.PutUint64(p[8:], binary.LittleEndian.Uint64(p[8:])^k8)
			binary.LittleEndian.PutUint64(p[16:], binary.LittleEndian.Uint64(p[16:])^k8)
			binary.LittleEndian.PutUint64(p[24:], binary.LittleEndian.Uint64(p[24:])^k8)
			binary.LittleEndian.PutUint64(p[32:], binary.LittleEndian.Uint64(p[32:])^k8)
			binary.LittleEndian.PutUint64(p[40:], binary.LittleEndian.Uint64(p[40:])^k8)
			binary.LittleEndian.PutUint64(p[48:], binary.LittleEndian.Uint64(p[48:])^k8)
			binary.LittleEndian.PutUint64(p[56:], binary.LittleEndian.Uint64(p[56:])^k8)
			b = b[64:]
		}
		for len(b) >= 8 {
			binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k8)
			b = b[8:]
		}
	}
	for i := range b {
		b[i] ^= byte(k >> (8 * (i & 3)))
	}
}
