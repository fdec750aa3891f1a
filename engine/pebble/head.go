package pebble

import (
	"encoding/binary"
	"math"
)

// head describes a channel's log. The stored head is a checkpoint: when it is loaded, the
// records after it, fewer than checkpoint, are followed. A change of a head other than by
// one more record at the end of the log stores the head in the same batch.
type head struct {
	seq    uint64 // the last one appended; 0: the channel was never written to
	floor  uint64 // every record up to it is gone
	purged uint64 // and up to it nothing is left of them; never above floor
	lost   uint64 // the last one removed by retention
	live   uint64 // messages above the floor; those that have ended count until they are swept
	time   int64  // of the last append
	ends   int64  // no message with an end of its own ends before; 0: there is none
	latest int64  // the largest deadline by age
	sweep  int64  // when the sweeper comes next; 0: nothing will end
	mixed  bool   // deadlines do not always grow with the sequence: the maximum age was changed
	keyed  bool   // messages have keys
	holey  bool   // there may be holes in the store, see holes.go
	old    bool   // the store does not have the holes; loading the channel finds them
}

const (
	headVersion = 2
	// oldVersion is that of formats 1 and 2, which did not keep holes.
	oldVersion = 1

	flagMixed = 1 << 0
	flagKeyed = 1 << 1
	flagHoley = 1 << 2
)

// checkpoint is the largest number of records after a stored head.
const checkpoint = 16

// follow moves the head over one more record at the end of the log. Ordered says
// that the record's age ends in the order of the log.
func (h *head) follow(seq uint64, time, deadline int64, message bool) (ordered bool) {
	if h.floor == h.seq { // it is alone
		h.latest, h.mixed = 0, false
	}
	h.seq, h.time = seq, time
	if message {
		h.live++
	}
	if deadline == 0 {
		deadline = math.MaxInt64
	}
	if deadline < h.latest {
		h.mixed = true
		return false
	}
	h.latest = deadline
	return true
}

// dense reports whether every sequence above the floor is a counted message.
func (h *head) dense() bool { return h.live == h.seq-h.floor }

func (h *head) append(b []byte) []byte {
	var flags byte
	if h.mixed {
		flags |= flagMixed
	}
	if h.keyed {
		flags |= flagKeyed
	}
	if h.holey {
		flags |= flagHoley
	}
	version := byte(headVersion)
	if h.old {
		version = oldVersion
	}
	b = append(b, version, flags)
	for _, n := range [...]uint64{
		h.seq, h.floor, h.purged, h.lost, h.live,
		uint64(h.time), uint64(h.ends), uint64(h.latest), uint64(h.sweep),
	} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func decodeHead(value []byte) (head, error) {
	if len(value) < 2 || value[0] != headVersion && value[0] != oldVersion {
		return head{}, ErrDamaged
	}
	in := numbers{rest: value[2:]}
	h := head{
		seq: in.next(), floor: in.next(), purged: in.next(), lost: in.next(), live: in.next(),
		time: int64(in.next()), ends: int64(in.next()), latest: int64(in.next()), sweep: int64(in.next()),
		mixed: value[1]&flagMixed != 0, keyed: value[1]&flagKeyed != 0,
		holey: value[1]&flagHoley != 0, old: value[0] == oldVersion,
	}
	if in.bad || h.floor > h.seq || h.purged > h.floor || h.live > h.seq-h.floor {
		return head{}, ErrDamaged
	}
	return h, nil
}

// keyed is the last message with a key. It may have expired.
type keyed struct {
	seq uint64 // 0: none
	span
}

func (k keyed) append(b []byte) []byte {
	b = binary.AppendUvarint(b, k.seq)
	b = binary.AppendUvarint(b, uint64(k.expires))
	return binary.AppendUvarint(b, uint64(k.deadline))
}

func decodeKeyed(value []byte) (keyed, error) {
	in := numbers{rest: value}
	k := keyed{seq: in.next()}
	k.expires, k.deadline = int64(in.next()), int64(in.next())
	if in.bad {
		return keyed{}, ErrDamaged
	}
	return k, nil
}

// memo is the result of an append with a chosen ID.
type memo struct {
	seq, prev uint64 // seq 0: none
	time      int64
}

func (m memo) append(b []byte) []byte {
	b = binary.AppendUvarint(b, m.seq)
	b = binary.AppendUvarint(b, m.seq-m.prev)
	return binary.AppendUvarint(b, uint64(m.time))
}

func decodeMemo(value []byte) (memo, error) {
	in := numbers{rest: value}
	m := memo{seq: in.next()}
	m.prev, m.time = m.seq-in.next(), int64(in.next())
	if in.bad {
		return memo{}, ErrDamaged
	}
	return m, nil
}
