package files

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Manifest is the result of applying all edits of a manifest.
type Manifest struct {
	// Unflushed is the smallest number of a log that is still needed.
	Unflushed uint64
	// LastSequence is an upper bound of Pebble's sequence numbers in flushed logs.
	LastSequence uint64
	Tables       map[uint64]Table // by number
}

// Table is a table as described by the manifest.
type Table struct {
	Number uint64
	Level  int
	Size   int64
}

// The tags of a version edit that our stores can have (pebble/v2, version_edit.go).
// Numbers are unsigned varints; byte strings are preceded by their length.
const (
	tagComparer     = 1
	tagUnflushed    = 2
	tagNextFile     = 3
	tagLastSequence = 4
	tagDeletedTable = 6
	tagNewTable2    = 100
	tagNewTable4    = 103

	customEnd  = 1
	customMust = 1 << 6 // a reader that does not know such a tag cannot read the edit
)

// errUnknown is the error of an edit that this package cannot read.
var errUnknown = errors.New("unknown entry")

// ReadManifest reads a manifest up to its end or to a break. For a break it returns the
// *BrokenError and the manifest up to it; with any other error there is no manifest.
func ReadManifest(l *Log) (*Manifest, error) {
	m := &Manifest{Tables: make(map[uint64]Table)}
	for {
		record, err := l.Next()
		if err == io.EOF {
			return m, nil
		}
		if err != nil {
			return m, err
		}
		if err := m.apply(record); err != nil {
			return nil, fmt.Errorf("record before byte %d: %w", l.Valid(), err)
		}
	}
}

// apply applies one edit.
func (m *Manifest) apply(edit []byte) error {
	d := decoder{rest: edit}
	for len(d.rest) > 0 {
		switch tag := d.number(); tag {
		case tagComparer:
			d.bytes()
		case tagUnflushed:
			m.Unflushed = d.number()
		case tagNextFile:
			d.number()
		case tagLastSequence:
			m.LastSequence = d.number()
		case tagDeletedTable:
			level, number := d.number(), d.number()
			// A table that moves to another level is deleted and added in one edit.
			if t, ok := m.Tables[number]; ok && t.Level == int(level) {
				delete(m.Tables, number)
			}
		case tagNewTable2, tagNewTable4:
			t := d.table(tag == tagNewTable4)
			m.Tables[t.Number] = t
		default:
			return fmt.Errorf("%w %d", errUnknown, tag)
		}
		if d.bad {
			return errUnknown
		}
	}
	return nil
}

func (d *decoder) table(custom bool) Table {
	t := Table{Level: int(d.number()), Number: d.number(), Size: int64(d.number())}
	d.bytes() // the smallest and the largest key, and their sequences
	d.bytes()
	d.number()
	d.number()
	for custom && !d.bad {
		tag := d.number()
		if tag == customEnd {
			break
		}
		if tag&customMust != 0 {
			d.bad = true
		}
		d.bytes()
	}
	return t
}

// decoder reads varints and byte strings; bad is set when one is missing.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) number() uint64 {
	x, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return x
}

func (d *decoder) bytes() []byte {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.bad, d.rest = true, nil
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}
