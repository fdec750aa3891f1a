package format

import (
	"encoding/binary"
	"math"

	"github.com/wirepost/wirepost/engine"
)

// Head describes a channel's log. The stored head is a checkpoint: when it is loaded, the
// records after it, fewer than checkpoint, are followed. A change of a head other than by
// one more record at the end of the log stores the head in the same batch.
type Head struct {
	Seq    uint64 // the last one appended; 0: the channel was never written to
	Floor  uint64 // every record up to it is gone
	Purged uint64 // and up to it nothing is left of them; never above floor
	Lost   uint64 // the last one removed by retention
	Live   uint64 // messages above the floor; those that have ended count until they are swept
	Time   int64  // of the last append
	Ends   int64  // no message with an end of its own ends before; 0: there is none
	Latest int64  // the largest deadline by age
	Sweep  int64  // when the sweeper comes next; 0: nothing will end
	Mixed  bool   // deadlines do not always grow with the sequence: the maximum age was changed
	Keyed  bool   // messages have keys
	Holey  bool   // there may be holes in the store, see holes.go
	Old    bool   // the store does not have the holes; loading the channel finds them
}

const (
	headVersion = 2
	// OldVersion is that of formats 1 and 2, which did not keep holes.
	OldVersion = 1

	flagMixed = 1 << 0
	flagKeyed = 1 << 1
	FlagHoley = 1 << 2
)

// Checkpoint is the largest number of records after a stored head.
const Checkpoint = 16

// Follow moves the head over one more record at the end of the log. Ordered says
// that the record's age ends in the order of the log.
func (h *Head) Follow(seq uint64, time, deadline int64, message bool) (ordered bool) {
	if h.Floor == h.Seq { // it is alone
		h.Latest, h.Mixed = 0, false
	}
	h.Seq, h.Time = seq, time
	if message {
		h.Live++
	}
	if deadline == 0 {
		deadline = math.MaxInt64
	}
	if deadline < h.Latest {
		h.Mixed = true
		return false
	}
	h.Latest = deadline
	return true
}

// Dense reports whether every sequence above the floor is a counted message.
func (h *Head) Dense() bool { return h.Live == h.Seq-h.Floor }

// Append appends the stored form.
func (h *Head) Append(b []byte) []byte {
	var flags byte
	if h.Mixed {
		flags |= flagMixed
	}
	if h.Keyed {
		flags |= flagKeyed
	}
	if h.Holey {
		flags |= FlagHoley
	}
	version := byte(headVersion)
	if h.Old {
		version = OldVersion
	}
	b = append(b, version, flags)
	for _, n := range [...]uint64{
		h.Seq, h.Floor, h.Purged, h.Lost, h.Live,
		uint64(h.Time), uint64(h.Ends), uint64(h.Latest), uint64(h.Sweep),
	} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

// DecodeHead is the inverse of Head.Append.
func DecodeHead(value []byte) (Head, error) {
	if len(value) < 2 || value[0] != headVersion && value[0] != OldVersion {
		return Head{}, engine.ErrDamaged
	}
	in := Numbers{Rest: value[2:]}
	h := Head{
		Seq: in.Next(), Floor: in.Next(), Purged: in.Next(), Lost: in.Next(), Live: in.Next(),
		Time: int64(in.Next()), Ends: int64(in.Next()), Latest: int64(in.Next()), Sweep: int64(in.Next()),
		Mixed: value[1]&flagMixed != 0, Keyed: value[1]&flagKeyed != 0,
		Holey: value[1]&FlagHoley != 0, Old: value[0] == OldVersion,
	}
	if in.Bad || h.Floor > h.Seq || h.Purged > h.Floor || h.Live > h.Seq-h.Floor {
		return Head{}, engine.ErrDamaged
	}
	return h, nil
}

// Keyed is the last message with a key. It may have expired.
type Keyed struct {
	Seq uint64 // 0: none
	Span
}

// Append appends the stored form.
func (k Keyed) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, k.Seq)
	b = binary.AppendUvarint(b, uint64(k.Expires))
	return binary.AppendUvarint(b, uint64(k.Deadline))
}

// DecodeKeyed is the inverse of Keyed.Append.
func DecodeKeyed(value []byte) (Keyed, error) {
	in := Numbers{Rest: value}
	k := Keyed{Seq: in.Next()}
	k.Expires, k.Deadline = int64(in.Next()), int64(in.Next())
	if in.Bad {
		return Keyed{}, engine.ErrDamaged
	}
	return k, nil
}

// Memo is the result of an append with a chosen ID.
type Memo struct {
	Seq, Prev uint64 // seq 0: none
	Time      int64
}

// Append appends the stored form.
func (m Memo) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, m.Seq)
	b = binary.AppendUvarint(b, m.Seq-m.Prev)
	return binary.AppendUvarint(b, uint64(m.Time))
}

// DecodeMemo is the inverse of Memo.Append.
func DecodeMemo(value []byte) (Memo, error) {
	in := Numbers{Rest: value}
	m := Memo{Seq: in.Next()}
	m.Prev, m.Time = m.Seq-in.Next(), int64(in.Next())
	if in.Bad {
		return Memo{}, engine.ErrDamaged
	}
	return m, nil
}
