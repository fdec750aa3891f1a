package pebble

import "encoding/binary"

// The values of a user's keys, see keys.go. A device's is the time of its last use, a
// cursor's its sequence, each a varint. A mark's is
//
//	read  [member: 0 or 1]  [since]
//
// where omitted values are 0.

// markValue is a stored read mark, or one to be merged with it.
type markValue struct {
	read, since uint64
	member      bool
}

func (m markValue) append(b []byte) []byte {
	b = binary.AppendUvarint(b, m.read)
	switch {
	case m.member:
		b = append(b, 1)
	case m.since > 0:
		b = append(b, 0)
	}
	if m.since > 0 {
		b = binary.AppendUvarint(b, m.since)
	}
	return b
}

func decodeMark(value []byte) (m markValue, err error) {
	in := numbers{rest: value}
	m.read = in.next()
	if len(in.rest) > 0 {
		m.member = in.rest[0] == 1
		in.rest = in.rest[1:]
	}
	if len(in.rest) > 0 {
		m.since = in.next()
	}
	if in.bad {
		return markValue{}, ErrDamaged
	}
	return m, nil
}

// mergeMarks moves a mark forward. A membership lasts until its key is deleted. If one of
// the values cannot be read, the other one counts.
func mergeMarks(older, newer []byte) []byte {
	a, err := decodeMark(older)
	if err != nil {
		return newer
	}
	b, err := decodeMark(newer)
	if err != nil {
		return older
	}
	return markValue{read: max(a.read, b.read), since: max(a.since, b.since), member: a.member || b.member}.append(nil)
}

// mergeCursors returns the larger cursor.
func mergeCursors(older, newer []byte) []byte {
	a, n := binary.Uvarint(older)
	b, m := binary.Uvarint(newer)
	if n <= 0 || m > 0 && b >= a {
		return newer
	}
	return older
}
