package files

import (
	"bytes"
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cockroachdb/pebble/v2/batchrepr"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Merged reads the keys of a store in order from its tables and logs, with all writes
// applied. It needs no manifest. The writes of logs are held in memory. The caller must
// call Close.
type Merged struct {
	sources sources
	gone    []deletion // range deletions that start after the present key, in order
	active  []deletion // those that started at or before it
	key     []byte
	value   []byte
	report  func(Gap)
	merge   func(key, older, newer []byte) []byte
}

// Merge opens tables and logs by their numbers. Parts that cannot be read are reported
// and skipped; damaged reports whether a log is to be read past a break, and merge merges
// two values of a key.
func Merge(tables, logs []uint64, damaged func(log uint64) bool, open func(name string) (vfs.File, error), report func(Gap), merge func(key, older, newer []byte) []byte) (*Merged, error) {
	m := &Merged{report: report, merge: merge}
	for _, number := range tables {
		name := fmt.Sprintf("%06d.sst", number)
		f, err := open(name)
		if err != nil {
			report(Gap{File: name, Problem: err.Error()})
			continue
		}
		t, gone, err := openTable(f, number, report)
		if err != nil {
			report(Gap{File: name, Problem: err.Error()})
			continue
		}
		m.gone = append(m.gone, gone...)
		m.add(t, t.advance([]byte{}))
	}
	w := &writes{}
	for _, number := range logs {
		if err := m.readLog(w, number, damaged(number), open); err != nil {
			m.Close()
			return nil, err
		}
	}
	slices.SortFunc(w.entries, compare)
	m.add(w, len(w.entries) > 0)
	slices.SortFunc(m.gone, func(a, b deletion) int { return bytes.Compare(a.start, b.start) })
	heap.Init(&m.sources)
	return m, nil
}

func (m *Merged) add(s source, ok bool) {
	if ok {
		m.sources = append(m.sources, s)
	} else {
		s.close()
	}
}

// readLog adds the writes of one log.
func (m *Merged) readLog(w *writes, number uint64, damaged bool, open func(name string) (vfs.File, error)) error {
	name := fmt.Sprintf("%06d.log", number)
	f, err := open(name)
	if err != nil {
		m.report(Gap{File: name, Problem: err.Error()})
		return nil
	}
	defer f.Close()
	for l := NewLog(f, number); ; {
		record, err := l.Next()
		if broken, ok := errors.AsType[*BrokenError](err); ok && damaged {
			if more := l.Skip(); more {
				m.report(Gap{File: name, Problem: fmt.Sprintf("bytes %d to %d cannot be read", broken.Offset, l.start+int64(l.next))})
				continue
			}
			m.report(Gap{File: name, Problem: fmt.Sprintf("nothing can be read from byte %d on", broken.Offset)})
			return nil
		} else if ok || err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := m.addBatch(w, bytes.Clone(record)); err != nil {
			m.report(Gap{File: name, Problem: fmt.Sprintf("the batch before byte %d: %v", l.Valid(), err)})
		}
	}
}

func (m *Merged) addBatch(w *writes, batch []byte) error {
	h, ok := batchrepr.ReadHeader(batch)
	if !ok {
		return batchrepr.ErrInvalidBatch
	}
	seq := uint64(h.SeqNum)
	for r := batchrepr.Read(batch); len(r) > 0; {
		kind, key, value, ok, err := r.Next()
		if err != nil || !ok {
			return err
		}
		if byte(kind) == kindRangeDelete {
			m.gone = append(m.gone, deletion{key, value, seq})
		} else {
			w.entries = append(w.entries, entry{key: key, value: value, seq: seq, kind: byte(kind)})
		}
		seq++
	}
	return nil
}

// Close closes all files.
func (m *Merged) Close() {
	for _, s := range m.sources {
		s.close()
	}
	m.sources = nil
}

// Next advances to the next key, and reports whether there is one.
func (m *Merged) Next() bool {
	for len(m.sources) > 0 {
		m.key, m.value = append(m.key[:0], m.sources[0].entry().key...), m.value[:0]
		found, merging := false, true                                            // found: m.value is set
		for len(m.sources) > 0 && bytes.Equal(m.sources[0].entry().key, m.key) { // latest write first
			if merging {
				var counts bool
				counts, merging = m.take(m.sources[0].entry(), found)
				found = found || counts
			}
			if m.sources[0].next() {
				heap.Fix(&m.sources, 0)
			} else {
				heap.Pop(&m.sources).(source).close()
			}
		}
		if found {
			return true
		}
	}
	return false
}

// take merges an earlier write of the present key into the value, if there is one. It
// reports whether that write counts, and whether even earlier ones may count too.
func (m *Merged) take(e *entry, found bool) (counts, more bool) {
	switch e.kind {
	case kindSet, kindSetWithDelete, kindMerge:
		counts = !m.deleted(e.seq)
	}
	switch {
	case !counts:
	case found:
		m.value = append(m.value[:0], m.merge(m.key, e.value, m.value)...)
	default:
		m.value = append(m.value[:0], e.value...)
	}
	return counts, counts && e.kind == kindMerge
}

// deleted reports whether the present key lies in a range that was deleted later.
func (m *Merged) deleted(seq uint64) bool {
	for len(m.gone) > 0 && bytes.Compare(m.gone[0].start, m.key) <= 0 {
		m.active = append(m.active, m.gone[0])
		m.gone = m.gone[1:]
	}
	m.active = slices.DeleteFunc(m.active, func(d deletion) bool { return bytes.Compare(d.end, m.key) <= 0 })
	return slices.ContainsFunc(m.active, func(d deletion) bool { return d.seq > seq })
}

// Key returns the present key, valid until Next is called.
func (m *Merged) Key() []byte { return m.key }

// Value returns its value, valid until Next is called.
func (m *Merged) Value() []byte { return m.value }

// source yields entries in order.
type source interface {
	entry() *entry
	next() bool
	close()
}

func (t *table) entry() *entry { return &t.now }
func (t *table) next() bool    { return t.advance(nil) }

// writes is the source of the writes of all logs.
type writes struct{ entries []entry }

func (w *writes) entry() *entry { return &w.entries[0] }

func (w *writes) next() bool {
	w.entries = w.entries[1:]
	return len(w.entries) > 0
}

func (w *writes) close() {}

// compare puts the latest write of a key first.
func compare(a, b entry) int {
	return cmp.Or(bytes.Compare(a.key, b.key), cmp.Compare(b.seq, a.seq), cmp.Compare(b.file, a.file))
}

// sources is a heap.
type sources []source

func (s sources) Len() int           { return len(s) }
func (s sources) Less(i, j int) bool { return compare(*s[i].entry(), *s[j].entry()) < 0 }
func (s sources) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *sources) Push(x any)        { *s = append(*s, x.(source)) }

func (s *sources) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}
