package pebble

import (
	"encoding/binary"
	"math/bits"

	"github.com/wirepost/wirepost/engine"
)

// A record's value: a version, flags, the numbers that a scan needs, the lengths of the
// strings, the strings, the data. The sequence is in the key.
//
//	1  flags  seq-prev  time  [revokes]  [expires-time]  [deadline-time]
//	len(id) len(key) len(type) len(from)  id key type from  data…
const (
	recordVersion = 1

	hasRevokes  = 1 << 0
	hasExpires  = 1 << 1
	hasDeadline = 1 << 2
)

// ErrDamaged is engine.ErrDamaged.
var ErrDamaged = engine.ErrDamaged

// span is a record's expiry. Zero means never.
type span struct {
	expires  int64 // end of the time to live
	deadline int64 // end by the maximum age
}

// end returns when a record expires, and whether that is a loss: if it expires by its age
// before its time to live. 0 is never.
func (s span) end() (at int64, loss bool) {
	if s.deadline != 0 && (s.expires == 0 || s.deadline < s.expires) {
		return s.deadline, true
	}
	return s.expires, false
}

// ended reports whether a record has expired at a time, and whether that is a loss.
func (s span) ended(now int64) (gone, loss bool) {
	at, loss := s.end()
	gone = at != 0 && at <= now
	return gone, gone && loss
}

// glance is what a scan needs of a record without its contents.
type glance struct {
	span
	prev, revokes uint64
	time          int64
	rest          []byte // lengths, strings and data
}

func uvarintLen(x uint64) int { return (bits.Len64(x|1) + 6) / 7 }

func recordFlags(r *engine.Record, deadline int64) (flags byte) {
	if r.Revokes != 0 {
		flags |= hasRevokes
	}
	if r.Expires != 0 {
		flags |= hasExpires
	}
	if deadline != 0 {
		flags |= hasDeadline
	}
	return flags
}

// recordSize returns the number of bytes that appendRecord will append.
func recordSize(r *engine.Record, deadline int64) int {
	n := 2 + uvarintLen(r.Seq-r.Prev) + uvarintLen(uint64(r.Time))
	if r.Revokes != 0 {
		n += uvarintLen(r.Revokes)
	}
	if r.Expires != 0 {
		n += uvarintLen(uint64(r.Expires - r.Time))
	}
	if deadline != 0 {
		n += uvarintLen(uint64(deadline - r.Time))
	}
	for _, s := range [...]string{r.ID, r.Key, r.ContentType, r.From} {
		n += uvarintLen(uint64(len(s))) + len(s)
	}
	return n + len(r.Data)
}

func appendRecord(b []byte, r *engine.Record, deadline int64) []byte {
	b = append(b, recordVersion, recordFlags(r, deadline))
	b = binary.AppendUvarint(b, r.Seq-r.Prev)
	b = binary.AppendUvarint(b, uint64(r.Time))
	if r.Revokes != 0 {
		b = binary.AppendUvarint(b, r.Revokes)
	}
	if r.Expires != 0 {
		b = binary.AppendUvarint(b, uint64(r.Expires-r.Time))
	}
	if deadline != 0 {
		b = binary.AppendUvarint(b, uint64(deadline-r.Time))
	}
	for _, s := range [...]string{r.ID, r.Key, r.ContentType, r.From} {
		b = binary.AppendUvarint(b, uint64(len(s)))
	}
	b = append(b, r.ID...)
	b = append(b, r.Key...)
	b = append(b, r.ContentType...)
	b = append(b, r.From...)
	return append(b, r.Data...)
}

// glanceAt reads the numbers of a record.
func glanceAt(seq uint64, value []byte) (glance, error) {
	if len(value) < 2 || value[0] != recordVersion {
		return glance{}, ErrDamaged
	}
	flags := value[1]
	in := numbers{rest: value[2:]}
	g := glance{prev: seq - in.next(), time: int64(in.next())}
	if flags&hasRevokes != 0 {
		g.revokes = in.next()
	}
	if flags&hasExpires != 0 {
		g.expires = g.time + int64(in.next())
	}
	if flags&hasDeadline != 0 {
		g.deadline = g.time + int64(in.next())
	}
	g.rest = in.rest
	if in.bad || g.prev >= seq {
		return glance{}, ErrDamaged
	}
	return g, nil
}

// decodeRecord makes a record that shares nothing with value.
func decodeRecord(seq uint64, value []byte) (*engine.Record, error) {
	g, err := glanceAt(seq, value)
	if err != nil {
		return nil, err
	}
	return g.record(seq)
}

func (g *glance) record(seq uint64) (*engine.Record, error) {
	in := numbers{rest: g.rest}
	var ends [4]uint64 // of the strings, in order
	var end uint64
	for i := range ends {
		n := in.next()
		if n > uint64(len(in.rest)) {
			return nil, ErrDamaged
		}
		end += n
		ends[i] = end
	}
	if in.bad || end > uint64(len(in.rest)) {
		return nil, ErrDamaged
	}
	text := string(in.rest[:end])
	r := &engine.Record{
		Seq: seq, Prev: g.prev, Revokes: g.revokes, Time: g.time, Expires: g.expires,
		ID: text[:ends[0]], Key: text[ends[0]:ends[1]], ContentType: text[ends[1]:ends[2]], From: text[ends[2]:],
	}
	if data := in.rest[end:]; len(data) > 0 {
		r.Data = append(make([]byte, 0, len(data)), data...)
	}
	return r, nil
}

// key returns the record's key, which is all that a purge needs.
func (g *glance) key() (string, error) {
	in := numbers{rest: g.rest}
	id, key := in.next(), in.next()
	in.next()
	in.next()
	if size := uint64(len(in.rest)); in.bad || id > size || key > size-id {
		return "", ErrDamaged
	}
	return string(in.rest[id : id+key]), nil
}

// numbers reads unsigned varints; bad reports that one was missing.
type numbers struct {
	rest []byte
	bad  bool
}

func (n *numbers) next() uint64 {
	x, size := binary.Uvarint(n.rest)
	if size <= 0 {
		n.bad, n.rest = true, nil
		return 0
	}
	n.rest = n.rest[size:]
	return x
}
