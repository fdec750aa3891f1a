package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// entry is one write of a key.
type entry struct {
	key   []byte
	value []byte
	seq   uint64
	kind  byte
	file  uint64 // if two tables have the same write, the later table counts
}

// Kinds of writes (pebble/v2/internal/base, internal.go).
const (
	kindDelete        = 0
	kindSet           = 1
	kindMerge         = 2
	kindSingleDelete  = 7
	kindRangeDelete   = 15
	kindSetWithDelete = 18
	kindDeleteSized   = 23
)

// deletion deletes all keys from start up to, but not including, end.
type deletion struct {
	start, end []byte
	seq        uint64
}

// table reads the entries of one table in order. Blocks that cannot be read are skipped
// and reported.
type table struct {
	name   string
	reader *sstable.Reader
	iter   sstable.Iterator
	now    entry
	report func(Gap)
}

// Gap is a part of a file that could not be read.
type Gap struct {
	File        string
	First, Last []byte // all missing keys are after First and not after Last; nil: unknown
	Problem     string
}

// Verify reads a file of a store, and compares its blocks with their checksums if it is a
// table. It accepts any other file.
func Verify(name string, open func() (vfs.File, error)) (err error) {
	if !strings.HasSuffix(name, ".sst") {
		return nil
	}
	f, err := open()
	if err != nil {
		return err
	}
	r, err := newReader(f)
	if err != nil {
		return err
	}
	return errors.Join(r.ValidateBlockChecksums(), r.Close())
}

// newReader opens a table. It closes the file after an error, or with the reader.
func newReader(f vfs.File) (r *sstable.Reader, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	readable, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	o := &pdb.Options{}
	o.EnsureDefaults()
	return sstable.NewReader(context.Background(), readable, o.MakeReaderOptions()) // it closes readable after an error
}

// openTable opens a table and reads its range deletions.
func openTable(f vfs.File, number uint64, report func(Gap)) (t *table, gone []deletion, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	t = &table{name: fmt.Sprintf("%06d.sst", number), report: report}
	t.now.file = number
	if t.reader, err = newReader(f); err != nil {
		return nil, nil, err
	}
	if err := t.reader.ValidateBlockChecksums(); err != nil {
		report(Gap{File: t.name, Problem: err.Error()})
	}
	spans, err := t.reader.NewRawRangeDelIter(context.Background(), sstable.NoFragmentTransforms, sstable.NoReadEnv)
	if err != nil {
		report(Gap{File: t.name, Problem: "its range deletions cannot be read: " + err.Error()})
	} else if spans != nil {
		for s, err := spans.First(); s != nil || err != nil; s, err = spans.Next() {
			if err != nil {
				report(Gap{File: t.name, Problem: "its range deletions cannot be read: " + err.Error()})
				break
			}
			for _, k := range s.Keys {
				gone = append(gone, deletion{bytes.Clone(s.Start), bytes.Clone(s.End), uint64(k.SeqNum())})
			}
		}
		spans.Close()
	}
	if t.iter, err = t.reader.NewIter(sstable.NoTransforms, nil, nil, sstable.AssertNoBlobHandles); err != nil {
		t.reader.Close() //nolint:errcheck // it was read only
		return nil, nil, err
	}
	return t, gone, nil
}

func (t *table) close() {
	t.iter.Close()   //nolint:errcheck // it was read only
	t.reader.Close() //nolint:errcheck // it was read only
}

// advance moves to the next readable entry, or to the first one at or after from if that
// is not nil.
func (t *table) advance(from []byte) bool {
	for {
		ok, err := t.step(from)
		if err == nil {
			return ok
		}
		first := bytes.Clone(t.now.key)
		if from != nil {
			first = from
		}
		from = readableAfter(first, func(key []byte) bool { _, err := t.step(key); return err == nil })
		t.report(Gap{File: t.name, First: first, Last: from, Problem: err.Error()})
		if from == nil {
			return false
		}
	}
}

func (t *table) step(from []byte) (ok bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	if from != nil {
		if kv := t.iter.SeekGE(from, 0); kv != nil {
			return t.hold(kv.K.UserKey, uint64(kv.K.SeqNum()), byte(kv.K.Kind()), kv.Value)
		}
	} else if kv := t.iter.Next(); kv != nil {
		return t.hold(kv.K.UserKey, uint64(kv.K.SeqNum()), byte(kv.K.Kind()), kv.Value)
	}
	return false, t.iter.Error()
}

func (t *table) hold(key []byte, seq uint64, kind byte, value func([]byte) ([]byte, bool, error)) (bool, error) {
	v, _, err := value(nil)
	if err != nil {
		return false, err
	}
	t.now.key = append(t.now.key[:0], key...)
	t.now.value = append(t.now.value[:0], v...)
	t.now.seq, t.now.kind = seq, kind
	return true, nil
}

// readableAfter returns the first key after key at which the table can be read again,
// or nil if there is none. It searches in steps that double, and then bisects between the
// last two.
func readableAfter(key []byte, readable func([]byte) bool) []byte {
	width := max(len(key)+1, 48)
	low := new(big.Int).SetBytes(append(bytes.Clone(key), make([]byte, width-len(key))...))
	text := func(n *big.Int) []byte { return n.FillBytes(make([]byte, width)) }
	high, step := new(big.Int), big.NewInt(1)
	for {
		if high.Add(low, step); high.BitLen() > 8*width {
			return nil
		}
		if readable(text(high)) {
			break
		}
		low.Set(high)
		step.Lsh(step, 1)
	}
	for one := big.NewInt(1); new(big.Int).Sub(high, low).Cmp(one) > 0; {
		middle := new(big.Int).Add(low, high)
		if middle.Rsh(middle, 1); readable(text(middle)) {
			high = middle
		} else {
			low = middle
		}
	}
	return text(high)
}
