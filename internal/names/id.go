package names

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
)

// ConnectionID names a connection. It is random: nobody can guess it.
type ConnectionID [10]byte

// NewConnectionID makes one.
func NewConnectionID() (id ConnectionID) {
	rand.Read(id[:]) //nolint:errcheck // it never fails
	return id
}

func (id ConnectionID) String() string { return idEncoding.EncodeToString(id[:]) }

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// Sum is a hash of a channel's name or an epoch that nobody can foresee who does not
// know the connection's ID.
func (id ConnectionID) Sum(name string) uint64 {
	b := append(make([]byte, 0, len(id)+Max), id[:]...)
	sum := sha256.Sum256(append(b, name...))
	return binary.BigEndian.Uint64(sum[:])
}

// NewMessageID names a message whose publisher gave it no name.
func NewMessageID() string { return NewConnectionID().String() }
