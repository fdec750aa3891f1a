package wirepost

import (
	"crypto/rand"
	"encoding/base32"
)

// connectionID names a connection. Nobody can guess it.
type connectionID [10]byte

func newConnectionID() (id connectionID) {
	rand.Read(id[:]) //nolint:errcheck // it never fails
	return id
}

func (id connectionID) String() string { return idEncoding.EncodeToString(id[:]) }

var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// newID names a message whose publisher gave it no name.
func newID() string { return newConnectionID().String() }
