// Package files reads the files of a closed Pebble store: its write-ahead logs, its
// manifest and its tables. Pebble itself mistakes damage near the end of a log for the
// end of the log; this package finds where a file stops being valid and whether that is
// damage, and continues after it. The main functions are NewLog and Log.Next.
package files

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// The format of logs and manifests: blocks of 32 KiB, filled with chunks that do not
// cross the end of a block (pebble/v2/record, record.go and log_writer.go). A chunk
// consists of a checksum, a length, a type, the log's number (only in logs), the offset
// up to which the log was synced when the chunk was written (only in logs of the current
// format), and data. A record is one full chunk, or a first chunk, any number of middle
// chunks and a last chunk.
const (
	blockSize = 32 << 10

	manifestHeader   = 7  // types 1 to 4
	recyclableHeader = 11 // types 5 to 8: the first log of a store, and end marks
	syncHeader       = 19 // types 9 to 12

	endMark = 5 // the type of the mark at the end of a closed log
)

const (
	full = iota
	first
	middle
	last
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// Log reads the records of one log or manifest in order. It is not safe for
// concurrent use.
type Log struct {
	r        io.Reader
	number   uint32
	manifest bool

	block [blockSize]byte
	start int64 // of the block in the file
	size  int   // bytes in the block
	next  int   // the next chunk in the block
	fault error // of the reader

	record []byte
	valid  int64
	synced int64
	closed bool
}

// NewLog returns a reader of a log, whose number it must be, from its start.
func NewLog(r io.Reader, number uint64) *Log { return &Log{r: r, number: uint32(number)} }

// NewManifest returns a reader of a manifest from its start.
func NewManifest(r io.Reader) *Log { return &Log{r: r, manifest: true} }

// BrokenError reports that there is no valid chunk, or not the expected one, at an offset
// of the file. At the end of a log that was not closed this is normal: a write is
// incomplete.
type BrokenError struct{ Offset int64 }

func (e *BrokenError) Error() string { return fmt.Sprintf("nothing valid at byte %d", e.Offset) }

// Valid returns the offset up to which all chunks read were valid.
func (l *Log) Valid() int64 { return l.valid }

// Synced returns the largest offset up to which the file was synced according to the
// chunks read so far.
func (l *Log) Synced() int64 { return l.synced }

// Closed reports whether the end mark of a closed log has been read.
func (l *Log) Closed() bool { return l.closed }

// Next returns the next record, which is valid until the next call. The error is io.EOF
// if the file ends after a record, and *BrokenError if something else follows. After a
// *BrokenError only Skip can continue.
func (l *Log) Next() ([]byte, error) {
	l.record = l.record[:0]
	for begun := false; ; begun = true {
		at := l.start + int64(l.next)
		c, err := l.chunk()
		if err == io.EOF && begun {
			return nil, &BrokenError{at}
		}
		if err != nil {
			return nil, err
		}
		if starts := c.kind == full || c.kind == first; starts == begun {
			return nil, &BrokenError{at}
		}
		l.record = append(l.record, c.data...)
		if c.kind == full || c.kind == last {
			return l.record, nil
		}
	}
}

// Skip advances, after a *BrokenError, to the next chunk at which a record may start, and
// reports whether there is one.
func (l *Log) Skip() bool {
	l.next++
	for {
		for ; l.next+manifestHeader <= l.size; l.next++ {
			c, size, ok := l.parse(l.next)
			if !ok {
				continue
			}
			l.synced = max(l.synced, c.synced)
			if c.kind == full || c.kind == first {
				return true
			}
			l.next += size - 1
		}
		if !l.fill() {
			return false
		}
	}
}

// Damaged reads the rest of the file after a *BrokenError. It reports whether the break
// is damage rather than the last write before a crash: it is if a later chunk records
// that the log was synced past it. A manifest is synced after every record, so there any
// later chunk is evidence.
func (l *Log) Damaged(at int64) bool {
	for l.Skip() {
		if l.manifest {
			return true
		}
		l.next++
	}
	return l.synced > at
}

type chunk struct {
	kind   int
	synced int64
	data   []byte
}

// chunk reads the next chunk.
func (l *Log) chunk() (chunk, error) {
	for {
		at := l.start + int64(l.next)
		if c, size, ok := l.parse(l.next); ok {
			l.next += size
			l.valid, l.synced = l.start+int64(l.next), max(l.synced, c.synced)
			return c, nil
		}
		if l.atEndMark() {
			l.valid, l.closed = at+recyclableHeader, true
			return chunk{}, io.EOF
		}
		if !l.atPadding() {
			return chunk{}, &BrokenError{at}
		}
		l.valid = l.start + int64(l.size)
		if !l.fill() {
			if l.fault != nil {
				return chunk{}, l.fault
			}
			return chunk{}, io.EOF
		}
	}
}

// parse looks for a chunk at an offset of the block.
func (l *Log) parse(at int) (c chunk, size int, ok bool) {
	b := l.block[at:l.size]
	if len(b) < manifestHeader {
		return c, 0, false
	}
	kind, header := b[6], manifestHeader
	switch {
	case l.manifest && kind >= 1 && kind <= 4:
		c.kind = int(kind - 1)
	case !l.manifest && kind >= 5 && kind <= 8:
		c.kind, header = int(kind-5), recyclableHeader
	case !l.manifest && kind >= 9 && kind <= 12:
		c.kind, header = int(kind-9), syncHeader
	default:
		return c, 0, false
	}
	size = header + int(binary.LittleEndian.Uint16(b[4:]))
	if size > len(b) || !l.manifest && binary.LittleEndian.Uint32(b[7:]) != l.number {
		return c, 0, false
	}
	if checksum(b[6:size]) != binary.LittleEndian.Uint32(b) {
		return c, 0, false
	}
	if header == syncHeader {
		// A chunk never precedes the offset that it records as synced.
		if c.synced = int64(binary.LittleEndian.Uint64(b[11:])); c.synced > l.start+int64(at) {
			return c, 0, false
		}
	}
	c.data = b[header:size]
	return c, size, true
}

func (l *Log) atEndMark() bool {
	b := l.block[l.next:l.size]
	if l.manifest || len(b) < recyclableHeader {
		return false
	}
	return binary.LittleEndian.Uint32(b) == 0 && binary.LittleEndian.Uint16(b[4:]) == 0 &&
		b[6] == endMark && binary.LittleEndian.Uint32(b[7:]) == l.number+1
}

// atPadding reports whether the rest of the block is empty, or zeros too short for a
// chunk.
func (l *Log) atPadding() bool {
	b := l.block[l.next:l.size]
	if len(b) == 0 {
		return true
	}
	limit := syncHeader
	if l.manifest {
		limit = manifestHeader
	}
	if l.size < blockSize || len(b) >= limit {
		return false
	}
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// fill reads the next block, and reports whether there is one.
func (l *Log) fill() bool {
	if l.size < blockSize && l.size > 0 {
		return false
	}
	l.start += int64(l.size)
	n, err := io.ReadFull(l.r, l.block[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		l.fault = err
	}
	l.size, l.next = n, 0
	return n > 0
}
