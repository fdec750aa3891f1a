package format

import (
	"encoding/binary"
	"math/bits"

	"github.com/wirepost/wirepost/engine"
)

// A record's value: a version, flags, the numbers that a scan needs, the lengths of the
// strings, the strings, the data. The sequence is in the key.
//
//	1  flags  seq-prev  time  [revokes]  [expires-time]  [deadline-time]
//	len(id) len(key) len(type) len(from) [len(trace)]  id key type from [trace]  data…
//
// Only a record of version 2 has a trace context. An older program, which would take that for
// data, takes the record for damaged.
const (
	recordVersion = 1
	tracedVersion = 2

	hasRevokes  = 1 << 0
	hasExpires  = 1 << 1
	hasDeadline = 1 << 2
)

// Span is a record's expiry. Zero means never.
type Span struct {
	Expires  int64 // end of the time to live
	Deadline int64 // end by the maximum age
}

// End returns when a record expires, and whether that is a loss: if it expires by its age
// before its time to live. 0 is never.
func (s Span) End() (at int64, loss bool) {
	if s.Deadline != 0 && (s.Expires == 0 || s.Deadline < s.Expires) {
		return s.Deadline, true
	}
	return s.Expires, false
}

// Ended reports whether a record has expired at a time, and whether that is a loss.
func (s Span) Ended(now int64) (gone, loss bool) {
	at, loss := s.End()
	gone = at != 0 && at <= now
	return gone, gone && loss
}

// Glance is what a scan needs of a record without its contents.
type Glance struct {
	Span
	Prev, Revokes uint64
	Time          int64
	traced        bool
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

// RecordSize returns the number of bytes that appendRecord will append.
func RecordSize(r *engine.Record, deadline int64) int {
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
	if r.Trace != "" {
		n += uvarintLen(uint64(len(r.Trace))) + len(r.Trace)
	}
	return n + len(r.Data)
}

// AppendRecord appends the stored form of a record.
func AppendRecord(b []byte, r *engine.Record, deadline int64) []byte {
	version := byte(recordVersion)
	if r.Trace != "" {
		version = tracedVersion
	}
	b = append(b, version, recordFlags(r, deadline))
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
	if r.Trace != "" {
		b = binary.AppendUvarint(b, uint64(len(r.Trace)))
	}
	b = append(b, r.ID...)
	b = append(b, r.Key...)
	b = append(b, r.ContentType...)
	b = append(b, r.From...)
	b = append(b, r.Trace...)
	return append(b, r.Data...)
}

// GlanceAt reads the numbers of a record.
func GlanceAt(seq uint64, value []byte) (Glance, error) {
	if len(value) < 2 || value[0] != recordVersion && value[0] != tracedVersion {
		return Glance{}, engine.ErrDamaged
	}
	flags := value[1]
	in := Numbers{Rest: value[2:]}
	g := Glance{Prev: seq - in.Next(), Time: int64(in.Next()), traced: value[0] == tracedVersion}
	if flags&hasRevokes != 0 {
		g.Revokes = in.Next()
	}
	if flags&hasExpires != 0 {
		g.Expires = g.Time + int64(in.Next())
	}
	if flags&hasDeadline != 0 {
		g.Deadline = g.Time + int64(in.Next())
	}
	g.rest = in.Rest
	if in.Bad || g.Prev >= seq {
		return Glance{}, engine.ErrDamaged
	}
	return g, nil
}

// Record makes a record that shares nothing with the value.
func (g *Glance) Record(seq uint64) (*engine.Record, error) {
	in := Numbers{Rest: g.rest}
	var ends [5]uint64 // of the strings, in order
	var end uint64
	for i := range ends {
		var n uint64
		if i < 4 || g.traced {
			n = in.Next()
		}
		if n > uint64(len(in.Rest)) {
			return nil, engine.ErrDamaged
		}
		end += n
		ends[i] = end
	}
	if in.Bad || end > uint64(len(in.Rest)) {
		return nil, engine.ErrDamaged
	}
	text := string(in.Rest[:end])
	r := &engine.Record{
		Seq: seq, Prev: g.Prev, Revokes: g.Revokes, Time: g.Time, Expires: g.Expires,
		ID: text[:ends[0]], Key: text[ends[0]:ends[1]], ContentType: text[ends[1]:ends[2]], From: text[ends[2]:ends[3]], Trace: text[ends[3]:],
	}
	if data := in.Rest[end:]; len(data) > 0 {
		r.Data = append(make([]byte, 0, len(data)), data...)
	}
	return r, nil
}

// Key returns the record's key, which is all that a purge needs.
func (g *Glance) Key() (string, error) {
	in := Numbers{Rest: g.rest}
	id, key := in.Next(), in.Next()
	in.Next()
	in.Next()
	if g.traced {
		in.Next()
	}
	if size := uint64(len(in.Rest)); in.Bad || id > size || key > size-id {
		return "", engine.ErrDamaged
	}
	return string(in.Rest[id : id+key]), nil
}

// Numbers reads unsigned varints; bad reports that one was missing.
type Numbers struct {
	Rest []byte
	Bad  bool
}

// Next returns the next number, or 0 if it is missing.
func (n *Numbers) Next() uint64 {
	x, size := binary.Uvarint(n.Rest)
	if size <= 0 {
		n.Bad, n.Rest = true, nil
		return 0
	}
	n.Rest = n.Rest[size:]
	return x
}
