package names

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
)

// ConnectionID is the ID of a connection: random, so that it cannot be guessed.
type ConnectionID [10]byte

// NewConnectionID returns a random ID.
func NewConnectionID() (id ConnectionID) {
	rand.Read(id[:]) //nolint:errcheck // it never fails
	return id
}

func (id ConnectionID) String() string { return idEncoding.EncodeToString(id[:]) }

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// Sum is a hash of a channel's name or an epoch that cannot be predicted without the
// connection's ID.
func (id ConnectionID) Sum(name string) uint64 {
	b := append(make([]byte, 0, len(id)+Max), id[:]...)
	sum := sha256.Sum256(append(b, name...))
	return binary.BigEndian.Uint64(sum[:])
}

// NewMessageID returns an ID for a message whose publisher chose none.
func NewMessageID() string { return NewConnectionID().String() }
