package format

import (
	"bytes"
	"encoding/binary"

	"github.com/wirepost/wirepost/engine"
)

// The values of a user's keys, see keys.go. A device's is the time of its last use, a
// cursor's its sequence, each a varint. A mark's is
//
//	read  [member: 0 or 1]  [since]
//
// where omitted values are 0, and that of a Web Push subscription
//
//	since  expires  device  p256dh  auth
//
// where the last three have their length before them.

// Mark is a stored read mark, or one to be merged with it.
type Mark struct {
	Read, Since uint64
	Member      bool
}

// Append appends the stored form.
func (m Mark) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, m.Read)
	switch {
	case m.Member:
		b = append(b, 1)
	case m.Since > 0:
		b = append(b, 0)
	}
	if m.Since > 0 {
		b = binary.AppendUvarint(b, m.Since)
	}
	return b
}

// DecodeMark is the inverse of Mark.Append.
func DecodeMark(value []byte) (m Mark, err error) {
	in := Numbers{Rest: value}
	m.Read = in.Next()
	if len(in.Rest) > 0 {
		m.Member = in.Rest[0] == 1
		in.Rest = in.Rest[1:]
	}
	if len(in.Rest) > 0 {
		m.Since = in.Next()
	}
	if in.Bad {
		return Mark{}, engine.ErrDamaged
	}
	return m, nil
}

// mergeMarks moves a mark forward. A membership lasts until its key is deleted. If one of
// the values cannot be read, the other one counts.
func mergeMarks(older, newer []byte) []byte {
	a, err := DecodeMark(older)
	if err != nil {
		return newer
	}
	b, err := DecodeMark(newer)
	if err != nil {
		return older
	}
	return Mark{Read: max(a.Read, b.Read), Since: max(a.Since, b.Since), Member: a.Member || b.Member}.Append(nil)
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

// AppendPushSubscription appends the stored form of a subscription, without its endpoint.
func AppendPushSubscription(b []byte, s *engine.PushSubscription) []byte {
	b = binary.AppendUvarint(b, uint64(s.Since))
	b = binary.AppendUvarint(b, uint64(s.Expires))
	b = append(binary.AppendUvarint(b, uint64(len(s.Device))), s.Device...)
	b = append(binary.AppendUvarint(b, uint64(len(s.P256dh))), s.P256dh...)
	return append(binary.AppendUvarint(b, uint64(len(s.Auth))), s.Auth...)
}

// DecodePushSubscription is the inverse of AppendPushSubscription. It shares nothing with
// value.
func DecodePushSubscription(value []byte) (s engine.PushSubscription, err error) {
	in := Numbers{Rest: value}
	s.Since, s.Expires = int64(in.Next()), int64(in.Next())
	s.Device, s.P256dh, s.Auth = string(in.bytes()), bytes.Clone(in.bytes()), bytes.Clone(in.bytes())
	if in.Bad || len(in.Rest) > 0 {
		return engine.PushSubscription{}, engine.ErrDamaged
	}
	return s, nil
}

// bytes returns the next bytes, which have their length before them. They are a slice of
// the value.
func (n *Numbers) bytes() []byte {
	size := n.Next()
	if size > uint64(len(n.Rest)) {
		n.Bad, n.Rest = true, nil
		return nil
	}
	b := n.Rest[:size]
	n.Rest = n.Rest[size:]
	return b
}
