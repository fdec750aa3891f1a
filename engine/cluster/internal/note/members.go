package note

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
	"github.com/wirepost/wirepost/engine/cluster/internal/fields"
)

// Member is a node as the log knows it, from the last batch with a report of it.
type Member struct {
	batch.Report
	Time int64 // of the report
}

// memberFor is how long a node remains a member after its last report.
const memberFor = int64(7 * 24 * time.Hour / time.Millisecond)

func (m *Member) append(dst []byte) []byte {
	return binary.AppendUvarint(m.AppendFields(dst), uint64(m.Time))
}

func readMember(r *fields.Reader) Member { return Member{*batch.ReadReport(r), int64(r.Number())} }

// changeMembers changes the members as a batch says. The slice from before remains as it is.
func (n *Note) changeMembers(b *batch.Batch, now int64) {
	gone := func(m Member) bool { return m.Node == b.Forget || now-m.Time > memberFor }
	if b.Report == nil && !slices.ContainsFunc(n.Members, gone) {
		return
	}
	n.Members = slices.DeleteFunc(slices.Clone(n.Members), gone)
	if b.Report == nil {
		return
	}
	i, found := slices.BinarySearchFunc(n.Members, b.Report.Node, func(m Member, node string) int { return cmp.Compare(m.Node, node) })
	if !found {
		n.Members = slices.Insert(n.Members, i, Member{})
	}
	n.Members[i] = Member{*b.Report, now}
}
