package cluster

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/wirepost/wirepost/engine"
)

// batch is what one entry of the log says.
type batch struct {
	level      int    // of the operations in it, see level.go
	epoch      string // of the cluster
	generation uint64 // of the log, see genesis
	proposer   proposer
	counter    uint64 // of the proposer's batches in this shard, from 1
	// base is a position that the proposer had applied, and history what it had applied
	// up to there, as note has it.
	base, history uint64

	sweep   bool
	genesis *genesis
	report  *report
	forget  string // a member
	changes []engine.Change
}

// proposer names one run of a node, as the source of batches.
type proposer [16]byte

func (p proposer) String() string { return hex.EncodeToString(p[:]) }

// The encoding of a batch: the version, the header, what it has, each with its kind before
// it, and a CRC-32C of all of that. Numbers are varints, texts have their length before
// them.
const (
	batchVersion = 1

	flagSweep = 1 << 0
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// append appends a batch, whose changes are encoded already.
func (b *batch) append(dst []byte, changes ...[]byte) []byte {
	dst = append(dst, batchVersion)
	dst = binary.AppendUvarint(dst, uint64(b.level))
	dst = appendText(dst, b.epoch)
	dst = binary.AppendUvarint(dst, b.generation)
	dst = append(dst, b.proposer[:]...)
	dst = binary.AppendUvarint(dst, b.counter)
	dst = binary.AppendUvarint(dst, b.base)
	dst = binary.BigEndian.AppendUint64(dst, b.history)
	flags := byte(0)
	if b.sweep {
		flags |= flagSweep
	}
	dst = append(dst, flags)
	if b.genesis != nil {
		dst = b.genesis.append(dst)
	}
	if b.report != nil {
		dst = b.report.append(dst)
	}
	if b.forget != "" {
		dst = appendText(append(dst, kindForget), b.forget)
	}
	for _, encoded := range changes {
		dst = append(dst, encoded...)
	}
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}

// checksum returns the checksum of an entry that was decoded.
func checksum(data []byte) uint32 { return binary.BigEndian.Uint32(data[len(data)-4:]) }

var errMalformed = errors.New("the entry is malformed")

// decodeHeader decodes a batch up to what it has.
func decodeHeader(data []byte) (*batch, reader, error) {
	if len(data) < 4+1+len(proposer{}) {
		return nil, reader{}, errMalformed
	}
	data, sum := data[:len(data)-4], checksum(data)
	if crc32.Checksum(data, castagnoli) != sum {
		return nil, reader{}, errors.New("the checksum of the entry is wrong")
	}
	if data[0] != batchVersion {
		return nil, reader{}, fmt.Errorf("the entry has version %d, which this program does not know: it is older than that of another node", data[0])
	}
	b := &batch{}
	in := reader{rest: data[1:]}
	b.level, b.epoch, b.generation = int(in.number()), in.text(), in.number()
	copy(b.proposer[:], in.bytes(len(b.proposer)))
	b.counter, b.base = in.number(), in.number()
	if history := in.bytes(8); history != nil {
		b.history = binary.BigEndian.Uint64(history)
	}
	flags := in.byte()
	if in.bad || b.level < 0 {
		return nil, reader{}, errMalformed
	}
	b.sweep = flags&flagSweep != 0
	if flags&^flagSweep != 0 {
		return nil, reader{}, fmt.Errorf("the entry has the flags %#x, which this program does not know", flags)
	}
	return b, in, nil
}

// decodeBatch decodes an entry of the log. Data of messages are slices of it. The level
// is that of the operations which this program knows.
func decodeBatch(data []byte, level int) (*batch, error) {
	b, in, err := decodeHeader(data)
	if err != nil {
		return nil, err
	}
	if b.level > level {
		return nil, fmt.Errorf("%w: the entry needs level %d, this program has level %d", errLevel, b.level, level)
	}
	for len(in.rest) > 0 && !in.bad {
		switch kind := in.byte(); kind {
		case kindEntry:
			b.changes = append(b.changes, engine.Change{Entry: in.entry()})
		case kindTrim:
			b.changes = append(b.changes, engine.Change{Trim: &engine.Trim{Channel: in.text(), Through: in.number()}})
		case kindUpdate:
			b.changes = append(b.changes, engine.Change{Update: in.update()})
		case kindGenesis:
			b.genesis = in.genesis()
		case kindReport:
			b.report = in.report()
		case kindForget:
			b.forget = in.text()
		default:
			return nil, fmt.Errorf("%w: the entry has an operation of kind %d, which this program does not know", errLevel, kind)
		}
	}
	if in.bad {
		return nil, errMalformed
	}
	return b, nil
}
