package format

import (
	"bytes"
	"encoding/binary"

	"github.com/wirepost/wirepost/engine"
)

// A timer's value: a version, when it is due, the sequence of its message, the data. The
// rest is in the key. A change of the time moves the index entry by it.

const timerVersion = 1

// AppendTimer appends the value of a timer.
func AppendTimer(b []byte, t *engine.Timer) []byte {
	b = binary.AppendUvarint(append(b, timerVersion), uint64(t.Due))
	return append(binary.AppendUvarint(b, t.Seq), t.Data...)
}

// DecodeTimer sets what the value of a timer says. The data are a copy.
func DecodeTimer(value []byte, t *engine.Timer) error {
	if len(value) == 0 || value[0] != timerVersion {
		return engine.ErrDamaged
	}
	in := Numbers{Rest: value[1:]}
	t.Due, t.Seq = int64(in.Next()), in.Next()
	if in.Bad || t.Due < 0 {
		return engine.ErrDamaged
	}
	t.Data = bytes.Clone(in.Rest)
	return nil
}

// TimerKey appends the key of a timer.
func TimerKey(b []byte, kind engine.TimerKind, channel, id string) []byte {
	return appendPair(append(b, TimerPrefix, byte(kind)), channel, id)
}

// TimersOf is the prefix of the timers of a kind.
func TimersOf(kind engine.TimerKind) []byte { return []byte{TimerPrefix, byte(kind)} }

// DueFrom is the first key in the index by time from a time on.
func DueFrom(due int64) []byte { return binary.BigEndian.AppendUint64([]byte{DuePrefix}, uint64(due)) }

// DueKey appends the key of a timer in the index by time.
func DueKey(b []byte, due int64, kind engine.TimerKind, channel, id string) []byte {
	b = binary.BigEndian.AppendUint64(append(b, DuePrefix), uint64(due))
	return appendPair(append(b, byte(kind)), channel, id)
}

// NamedKind reports whether timers of a kind are in the index by ID.
func NamedKind(kind engine.TimerKind) bool { return kind == engine.TimerPush }

// NameKey appends the key of a timer in the index by ID.
func NameKey(b []byte, kind engine.TimerKind, id, channel string) []byte {
	return appendPair(append(b, NamePrefix, byte(kind)), id, channel)
}

// CutTimerKey splits a timer's key.
func CutTimerKey(key []byte) (t engine.Timer, ok bool) {
	if len(key) < 2 || key[0] != TimerPrefix {
		return t, false
	}
	t.Kind = engine.TimerKind(key[1])
	t.Channel, t.ID, ok = cutPair(key[2:])
	return t, ok
}

// CutDueKey splits the key of a timer in the index by time.
func CutDueKey(key []byte) (t engine.Timer, ok bool) {
	if len(key) < 10 || key[0] != DuePrefix {
		return t, false
	}
	t.Due, t.Kind = int64(binary.BigEndian.Uint64(key[1:])), engine.TimerKind(key[9])
	t.Channel, t.ID, ok = cutPair(key[10:])
	return t, ok && t.Due >= 0
}

// CutNameKey splits the key of a timer in the index by ID.
func CutNameKey(key []byte) (t engine.Timer, ok bool) {
	if len(key) < 2 || key[0] != NamePrefix {
		return t, false
	}
	t.Kind = engine.TimerKind(key[1])
	t.ID, t.Channel, ok = cutPair(key[2:])
	return t, ok
}

func appendPair(b []byte, first, second string) []byte {
	return append(append(append(b, first...), 0), second...)
}

func cutPair(b []byte) (first, second string, ok bool) {
	i := bytes.IndexByte(b, 0)
	if i < 1 || i == len(b)-1 {
		return "", "", false
	}
	return string(b[:i]), string(b[i+1:]), true
}
