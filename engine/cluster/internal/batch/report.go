package batch

import (
	"encoding/binary"

	"github.com/wirepost/wirepost/engine/cluster/internal/fields"
)

// Report is what a node says of itself in the log of a shard.
type Report struct {
	Node  string
	Level int // of the operations that it knows
	// Durable is the position up to which the node has the shard on its disk, and Size is
	// the bytes of all entries up to there.
	Durable, Size uint64
}

func (r *Report) append(dst []byte) []byte {
	return r.AppendFields(append(dst, kindReport))
}

// AppendFields appends a report without its kind.
func (r *Report) AppendFields(dst []byte) []byte {
	dst = binary.AppendUvarint(fields.AppendText(dst, r.Node), uint64(r.Level))
	return binary.AppendUvarint(binary.AppendUvarint(dst, r.Durable), r.Size)
}

// ReadReport reads a report after its kind.
func ReadReport(r *fields.Reader) *Report {
	return &Report{Node: r.Text(), Level: int(r.Number()), Durable: r.Number(), Size: r.Number()}
}
