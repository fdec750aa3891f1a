package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// batch is what one entry of the log says.
type batch struct {
	proposer proposer
	counter  uint64 // of the proposer's batches in this shard, from 1
	sweep    bool
	changes  []engine.Change
}

// proposer names one run of a node.
type proposer [16]byte

// The encoding of a batch: the version, the proposer, the counter, flags, the changes, and
// a CRC-32C of all of that. Numbers are varints, texts have their length before them.
const (
	batchVersion = 1

	flagSweep = 1 << 0

	kindEntry  = 1
	kindTrim   = 2
	kindUpdate = 3

	entryIdempotent = 1 << 0
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// append appends a batch whose changes are encoded already.
func (b *batch) append(dst []byte, changes ...[]byte) []byte {
	dst = append(dst, batchVersion)
	dst = append(dst, b.proposer[:]...)
	dst = binary.AppendUvarint(dst, b.counter)
	flags := byte(0)
	if b.sweep {
		flags |= flagSweep
	}
	dst = append(dst, flags)
	for _, encoded := range changes {
		dst = append(dst, encoded...)
	}
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendTexts(dst []byte, all []string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(all)))
	for _, s := range all {
		dst = appendText(dst, s)
	}
	return dst
}

func appendEntry(dst []byte, in *engine.Entry) []byte {
	dst = append(dst, kindEntry)
	flags := byte(0)
	if in.Idempotent {
		flags |= entryIdempotent
	}
	dst = append(dst, flags)
	dst = appendText(dst, in.Channel)
	dst = binary.AppendUvarint(dst, in.Revokes)
	for _, s := range [...]string{in.ID, in.Key, in.ContentType, in.From} {
		dst = appendText(dst, s)
	}
	for _, n := range [...]int64{int64(in.TTL), int64(in.Limits.MaxAge), int64(in.Limits.MaxMessages)} {
		dst = binary.AppendVarint(dst, n)
	}
	return append(binary.AppendUvarint(dst, uint64(len(in.Data))), in.Data...)
}

func appendTrim(dst []byte, t *engine.Trim) []byte {
	return binary.AppendUvarint(appendText(append(dst, kindTrim), t.Channel), t.Through)
}

func appendUpdate(dst []byte, up *engine.Update) []byte {
	dst = appendText(append(dst, kindUpdate), up.User)
	dst = appendTexts(dst, up.Leave)
	dst = appendTexts(dst, up.Join)
	dst = binary.AppendUvarint(dst, uint64(len(up.Marks)))
	for _, m := range up.Marks {
		dst = appendText(dst, m.Channel)
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, m.Read), m.Since)
	}
	dst = appendTexts(dst, up.RemoveDevices)
	dst = binary.AppendUvarint(dst, uint64(len(up.Devices)))
	for _, d := range up.Devices {
		dst = binary.AppendVarint(appendText(dst, d.Name), d.Used)
		dst = binary.AppendUvarint(dst, uint64(len(d.Cursors)))
		for _, c := range d.Cursors {
			dst = binary.AppendUvarint(appendText(dst, c.Channel), c.Seq)
		}
	}
	return dst
}

var errMalformed = errors.New("the entry is malformed")

// decodeBatch decodes an entry of the log. Data of messages are slices of it.
func decodeBatch(data []byte) (*batch, error) {
	if len(data) < 4+1+len(proposer{}) {
		return nil, errMalformed
	}
	data, sum := data[:len(data)-4], binary.BigEndian.Uint32(data[len(data)-4:])
	if crc32.Checksum(data, castagnoli) != sum {
		return nil, errors.New("the checksum of the entry is wrong")
	}
	if data[0] != batchVersion {
		return nil, fmt.Errorf("the entry has version %d, which this program does not know: it is older than another node", data[0])
	}
	b := &batch{}
	in := reader{rest: data[1:]}
	copy(b.proposer[:], in.bytes(len(b.proposer)))
	b.counter = in.number()
	flags := in.byte()
	b.sweep = flags&flagSweep != 0
	if flags&^flagSweep != 0 {
		return nil, fmt.Errorf("the entry has the flags %#x, which this program does not know", flags)
	}
	for len(in.rest) > 0 && !in.bad {
		var ch engine.Change
		switch kind := in.byte(); kind {
		case kindEntry:
			ch.Entry = in.entry()
		case kindTrim:
			ch.Trim = &engine.Trim{Channel: in.text(), Through: in.number()}
		case kindUpdate:
			ch.Update = in.update()
		default:
			return nil, fmt.Errorf("the entry has a change of kind %d, which this program does not know: it is older than another node", kind)
		}
		b.changes = append(b.changes, ch)
	}
	if in.bad {
		return nil, errMalformed
	}
	return b, nil
}

// reader decodes an entry. After bad input everything that it returns is zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) fail() { r.bad, r.rest = true, nil }

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) signed() int64 {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// length reads the number of things that follow, of which each has a byte at least.
func (r *reader) length() int {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) text() string { return string(r.bytes(r.length())) }

func (r *reader) texts() (all []string) {
	for range r.length() {
		all = append(all, r.text())
	}
	return all
}

func (r *reader) entry() *engine.Entry {
	flags := r.byte()
	in := &engine.Entry{Idempotent: flags&entryIdempotent != 0, Channel: r.text(), Revokes: r.number()}
	for _, s := range [...]*string{&in.ID, &in.Key, &in.ContentType, &in.From} {
		*s = r.text()
	}
	in.TTL, in.Limits.MaxAge, in.Limits.MaxMessages = time.Duration(r.signed()), time.Duration(r.signed()), int(r.signed())
	in.Data = r.bytes(r.length())
	return in
}

func (r *reader) update() *engine.Update {
	up := &engine.Update{User: r.text(), Leave: r.texts(), Join: r.texts()}
	for range r.length() {
		up.Marks = append(up.Marks, engine.Mark{Channel: r.text(), Read: r.number(), Since: r.number()})
	}
	up.RemoveDevices = r.texts()
	for range r.length() {
		d := engine.Device{Name: r.text(), Used: r.signed()}
		for range r.length() {
			d.Cursors = append(d.Cursors, engine.Cursor{Channel: r.text(), Seq: r.number()})
		}
		up.Devices = append(up.Devices, d)
	}
	return up
}
