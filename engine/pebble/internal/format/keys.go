package format

import (
	"encoding/binary"
	"time"
)

// The store's keys. Names contain no control characters, so a 0 byte ends one;
// numbers are big-endian, so that they sort.
//
//	m <channel> 0 <seq:8>              a record (record.go)
//	h <channel>                        the channel's head (head.go), from time to time
//	k <channel> 0 <key>                the last message with the key: Keyed, in head.go
//	i <day:4> <channel> 0 <id>         the result of an append with a chosen ID: Memo, in head.go
//	d <channel> 0 <block:8>            the holes in a block of sequences, or in a group (holes.go)
//	e <channel> 0 <end:8> <seq:8>      a record that expires out of order, its value is a byte of
//	                                   flags and the record's key
//	x <time:8> <channel>               the time of the sweeper's next visit to the channel; no value
//	u <user> 0 m <channel>             a read mark and membership (uservalue.go)
//	u <user> 0 d <device>              a device
//	u <user> 0 c <channel> 0 <device>  a device's cursor
//	u <user> 0 p <endpoint>            a Web Push subscription
//	M <channel> 0 <user>               an index of the memberships; no value
//	t <kind> <channel> 0 <id>          a timer (timer.go)
//	w <due:8> <kind> <channel> 0 <id>  an index of the timers by time; no value
//	n <kind> <id> 0 <channel>          an index of the timers by ID; no value
//	s <shard:4>                        how far the log of a shard was applied (applied.go)
//	c                                  the time, eight bytes, now and then
//
// Remembered IDs are ordered by the day of their append, in days since 1970: two lookups
// find one, and one range delete removes a whole day. Times are
// milliseconds since 1970.
const ( // the first byte of a key
	RecordPrefix = 'm'
	HeadPrefix   = 'h'
	KeyPrefix    = 'k'
	MemoPrefix   = 'i'
	HolesPrefix  = 'd'
	EndPrefix    = 'e'
	SweepPrefix  = 'x'
	UserPrefix   = 'u'
	MemberPrefix = 'M'
	ClockPrefix  = 'c'
	ShardPrefix  = 's'
	TimerPrefix  = 't'
	DuePrefix    = 'w'
	NamePrefix   = 'n'

	// What the key of a user is about.
	MarkPart   = 'm'
	DevicePart = 'd'
	CursorPart = 'c'
	PushPart   = 'p'
)

// Named appends a prefix, a name and the 0 byte that ends it.
func Named(b []byte, prefix byte, name string) []byte {
	b = append(b, prefix)
	b = append(b, name...)
	return append(b, 0)
}

// RecordKey appends the key of a record.
func RecordKey(b []byte, channel string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(Named(b, RecordPrefix, channel), seq)
}

// RecordSeq returns the sequence in a record's key, or the block in that of its holes.
func RecordSeq(key []byte) uint64 {
	return binary.BigEndian.Uint64(key[len(key)-8:])
}

// HeadKey appends the key of a channel's head.
func HeadKey(b []byte, channel string) []byte {
	b = append(b, HeadPrefix)
	return append(b, channel...)
}

// PairName joins two names in one string: a channel and a key or ID.
func PairName(channel, second string) string { return channel + "\x00" + second }

// KeyKey appends the key for the last message with a key, by channel and key (PairName).
func KeyKey(b []byte, pair string) []byte {
	b = append(b, KeyPrefix)
	return append(b, pair...)
}

// MemoKey appends the key of a remembered ID, by channel and ID (PairName).
func MemoKey(b []byte, day uint32, pair string) []byte {
	b = append(b, MemoPrefix)
	b = binary.BigEndian.AppendUint32(b, day)
	return append(b, pair...)
}

// EndKey appends the key for a record that expires out of order.
func EndKey(b []byte, channel string, end int64, seq uint64) []byte {
	b = binary.BigEndian.AppendUint64(Named(b, EndPrefix, channel), uint64(end))
	return binary.BigEndian.AppendUint64(b, seq)
}

// HolesKey appends the key for the holes in a block, or a group.
func HolesKey(b []byte, channel string, block uint64) []byte {
	return binary.BigEndian.AppendUint64(Named(b, HolesPrefix, channel), block)
}

// SweepKey appends the key of a visit of the sweeper.
func SweepKey(b []byte, at int64, channel string) []byte {
	b = append(b, SweepPrefix)
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	return append(b, channel...)
}

// UserKey appends the key of a part of a user.
func UserKey(b []byte, user string, part byte, name string) []byte {
	b = append(Named(b, UserPrefix, user), part)
	return append(b, name...)
}

// MemberKey appends the key of an index entry of a membership.
func MemberKey(b []byte, channel, user string) []byte {
	return append(Named(b, MemberPrefix, channel), user...)
}

// ShardKey appends the key for the position of a shard.
func ShardKey(b []byte, shard int) []byte {
	return binary.BigEndian.AppendUint32(append(b, ShardPrefix), uint32(shard))
}

// Successor returns the first key after all that begin with a prefix.
func Successor(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// CutRecordKey splits a record's key.
func CutRecordKey(key []byte) (channel string, seq uint64, ok bool) {
	i := len(key) - 9
	if i < 1 || key[0] != RecordPrefix || key[i] != 0 {
		return "", 0, false
	}
	return string(key[1:i]), RecordSeq(key), true
}

// Day is the number of milliseconds of a day.
const Day = int64(24 * time.Hour / time.Millisecond)

// DayOf returns the day of a time in milliseconds.
func DayOf(milli int64) uint32 { return uint32(milli / Day) }

// Flags of a record that expires out of order.
const (
	EndsAsLoss     = 1 << 0
	EndsRevocation = 1 << 1
)
