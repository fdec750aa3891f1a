// Package batch is what the entries of a replicated log say: its Batch is the content of one
// entry, with the changes of many calls.
package batch

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster/internal/fields"
)

// Batch is what one entry of the log says.
type Batch struct {
	Level      int    // of the operations in it, see Level
	Epoch      string // of the cluster
	Generation uint64 // of the log, see Genesis
	Proposer   Proposer
	Counter    uint64 // of the proposer's batches in this shard, from 1
	// Base is a position that the proposer had applied, and History identifies all entries
	// up to there, as package note has it.
	Base, History uint64

	Sweep   bool
	Genesis *Genesis
	Report  *Report
	Forget  string // a member
	Changes []engine.Change
}

// Proposer names one run of a node, as the source of batches.
type Proposer [16]byte

// NewProposer returns a name that no other proposer has.
func NewProposer() (p Proposer) {
	rand.Read(p[:]) //nolint:errcheck // it never fails
	return p
}

func (p Proposer) String() string { return hex.EncodeToString(p[:]) }

// The encoding of a batch: the version, the header, what it has, each with its kind before
// it, and a CRC-32C of all of that. Numbers are varints, texts have their length before
// them.
const (
	batchVersion = 1

	flagSweep = 1 << 0
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Append appends a batch, whose changes are encoded already.
func (b *Batch) Append(dst []byte, changes ...[]byte) []byte {
	dst = append(dst, batchVersion)
	dst = binary.AppendUvarint(dst, uint64(b.Level))
	dst = fields.AppendText(dst, b.Epoch)
	dst = binary.AppendUvarint(dst, b.Generation)
	dst = append(dst, b.Proposer[:]...)
	dst = binary.AppendUvarint(dst, b.Counter)
	dst = binary.AppendUvarint(dst, b.Base)
	dst = binary.BigEndian.AppendUint64(dst, b.History)
	flags := byte(0)
	if b.Sweep {
		flags |= flagSweep
	}
	dst = append(dst, flags)
	if b.Genesis != nil {
		dst = b.Genesis.append(dst)
	}
	if b.Report != nil {
		dst = b.Report.append(dst)
	}
	if b.Forget != "" {
		dst = fields.AppendText(append(dst, kindForget), b.Forget)
	}
	for _, encoded := range changes {
		dst = append(dst, encoded...)
	}
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli))
}

// Checksum returns the checksum of an entry that was decoded.
func Checksum(data []byte) uint32 { return binary.BigEndian.Uint32(data[len(data)-4:]) }

// errMalformed says that an entry is not a batch.
var errMalformed = errors.New("the entry is malformed")

// decodeHeader decodes a batch up to what it has.
func decodeHeader(data []byte) (*Batch, fields.Reader, error) {
	if len(data) < 4+1+len(Proposer{}) {
		return nil, fields.Reader{}, errMalformed
	}
	data, sum := data[:len(data)-4], Checksum(data)
	if crc32.Checksum(data, castagnoli) != sum {
		return nil, fields.Reader{}, errors.New("the checksum of the entry is wrong")
	}
	if data[0] != batchVersion {
		return nil, fields.Reader{}, fmt.Errorf("the entry has version %d, which this program does not know: it is older than that of another node", data[0])
	}
	b := &Batch{}
	in := fields.Of(data[1:])
	b.Level, b.Epoch, b.Generation = int(in.Number()), in.Text(), in.Number()
	copy(b.Proposer[:], in.Bytes(len(b.Proposer)))
	b.Counter, b.Base = in.Number(), in.Number()
	if history := in.Bytes(8); history != nil {
		b.History = binary.BigEndian.Uint64(history)
	}
	flags := in.Byte()
	if in.Bad() || b.Level < 0 {
		return nil, fields.Reader{}, errMalformed
	}
	b.Sweep = flags&flagSweep != 0
	if flags&^flagSweep != 0 {
		return nil, fields.Reader{}, fmt.Errorf("the entry has the flags %#x, which this program does not know", flags)
	}
	return b, in, nil
}

// DecodeHeader decodes a batch without what it has.
func DecodeHeader(data []byte) (*Batch, error) {
	b, _, err := decodeHeader(data)
	return b, err
}

// Decode decodes an entry of the log. Data of messages are slices of it. The level
// is that of the operations which this program knows.
func Decode(data []byte, level int) (*Batch, error) {
	b, in, err := decodeHeader(data)
	if err != nil {
		return nil, err
	}
	if b.Level > level {
		return nil, fmt.Errorf("%w: the entry needs level %d, this program has level %d", errLevel, b.Level, level)
	}
	for in.More() && !in.Bad() {
		switch kind := in.Byte(); kind {
		case kindEntry:
			b.Changes = append(b.Changes, engine.Change{Entry: readEntry(&in)})
		case kindTrim:
			b.Changes = append(b.Changes, engine.Change{Trim: &engine.Trim{Channel: in.Text(), Through: in.Number()}})
		case kindUpdate:
			b.Changes = append(b.Changes, engine.Change{Update: readUpdate(&in)})
		case kindPush:
			up := readUpdate(&in)
			readSubscriptions(&in, up)
			b.Changes = append(b.Changes, engine.Change{Update: up})
		case kindGenesis:
			b.Genesis = readGenesis(&in)
		case kindReport:
			b.Report = ReadReport(&in)
		case kindForget:
			b.Forget = in.Text()
		default:
			return nil, fmt.Errorf("%w: the entry has an operation of kind %d, which this program does not know", errLevel, kind)
		}
	}
	if in.Bad() {
		return nil, errMalformed
	}
	return b, nil
}
