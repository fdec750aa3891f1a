package pebble

import (
	"encoding/binary"
	"fmt"

	pdb "github.com/cockroachdb/pebble/v2"
)

// The store's keys. Names contain no control characters, so a 0 byte ends one;
// numbers are big-endian, so that they sort.
//
//	m <channel> 0 <seq:8>              a record (record.go)
//	h <channel>                        the channel's head (head.go), from time to time
//	k <channel> 0 <key>                the last message with the key: keyed, in head.go
//	i <day:4> <channel> 0 <id>         the result of an append with a chosen ID: memo, in head.go
//	d <channel> 0 <block:8>            the holes in a block of sequences, or in a group (holes.go)
//	e <channel> 0 <end:8> <seq:8>      a record that expires out of order, see schedule in stage.go;
//	                                   its value is a byte of flags and the record's key
//	x <time:8> <channel>               the time of the sweeper's next visit to the channel; no value
//	u <user> 0 m <channel>             a read mark and membership (uservalue.go)
//	u <user> 0 d <device>              a device
//	u <user> 0 c <channel> 0 <device>  a device's cursor
//	M <channel> 0 <user>               an index of the memberships; no value
//	s <shard:4>                        how far the log of a shard was applied (replica.go)
//	c                                  the time, eight bytes, now and then (clock.go)
//
// Remembered IDs are ordered by the day of their append, in days since 1970: two lookups
// find one, and one range delete removes a whole day. Times are
// milliseconds since 1970.
const (
	recordPrefix = 'm'
	headPrefix   = 'h'
	keyPrefix    = 'k'
	memoPrefix   = 'i'
	holesPrefix  = 'd'
	endPrefix    = 'e'
	sweepPrefix  = 'x'
	userPrefix   = 'u'
	memberPrefix = 'M'
	clockPrefix  = 'c'
	shardPrefix  = 's'

	markPart   = 'm'
	devicePart = 'd'
	cursorPart = 'c'
)

// named appends a prefix, a name and the 0 byte that ends it.
func named(b []byte, prefix byte, name string) []byte {
	b = append(b, prefix)
	b = append(b, name...)
	return append(b, 0)
}

func recordKey(b []byte, channel string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(named(b, recordPrefix, channel), seq)
}

// recordSeq returns the sequence in a record's key, or the block in that of its holes.
func recordSeq(key []byte) uint64 {
	return binary.BigEndian.Uint64(key[len(key)-8:])
}

func headKey(b []byte, channel string) []byte {
	b = append(b, headPrefix)
	return append(b, channel...)
}

// pairName joins two names in one string: a channel and a key or ID.
func pairName(channel, second string) string { return channel + "\x00" + second }

func keyKey(b []byte, pair string) []byte {
	b = append(b, keyPrefix)
	return append(b, pair...)
}

func memoKey(b []byte, day uint32, pair string) []byte {
	b = append(b, memoPrefix)
	b = binary.BigEndian.AppendUint32(b, day)
	return append(b, pair...)
}

func endKey(b []byte, channel string, end int64, seq uint64) []byte {
	b = binary.BigEndian.AppendUint64(named(b, endPrefix, channel), uint64(end))
	return binary.BigEndian.AppendUint64(b, seq)
}

func holesKey(b []byte, channel string, block uint64) []byte {
	return binary.BigEndian.AppendUint64(named(b, holesPrefix, channel), block)
}

func sweepKey(b []byte, at int64, channel string) []byte {
	b = append(b, sweepPrefix)
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	return append(b, channel...)
}

func userKey(b []byte, user string, part byte, name string) []byte {
	b = append(named(b, userPrefix, user), part)
	return append(b, name...)
}

func memberKey(b []byte, channel, user string) []byte {
	return append(named(b, memberPrefix, channel), user...)
}

func shardKey(b []byte, shard int) []byte {
	return binary.BigEndian.AppendUint32(append(b, shardPrefix), uint32(shard))
}

// successor returns the first key after all that begin with a prefix.
func successor(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// get calls use with the value of a key, if it exists.
func get(db pdb.Reader, key []byte, use func(value []byte) error) (found bool, err error) {
	value, closer, err := db.Get(key)
	if err == pdb.ErrNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer closer.Close()
	if err := use(value); err != nil {
		return false, fmt.Errorf("key %q: %w", key, err)
	}
	return true, nil
}
