package format

import (
	"encoding/binary"

	"github.com/wirepost/wirepost/engine"
)

// Applied says how far the log of a shard of a cluster was applied.
type Applied struct {
	Position uint64
	Time     int64
	Note     []byte
}

// Append appends the stored form.
func (a *Applied) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, a.Position)
	b = binary.AppendUvarint(b, uint64(a.Time))
	return append(b, a.Note...)
}

// DecodeApplied is the inverse of Applied.Append. The result shares nothing with value.
func DecodeApplied(value []byte) (Applied, error) {
	in := Numbers{Rest: value}
	a := Applied{Position: in.Next(), Time: int64(in.Next())}
	if in.Bad {
		return Applied{}, engine.ErrDamaged
	}
	a.Note = append([]byte(nil), in.Rest...)
	return a, nil
}
