package format

import (
	"bytes"
	"io"
	"slices"

	pdb "github.com/cockroachdb/pebble/v2"
)

// Merger merges values by their key: marks and cursors move forward, so that the committer need
// not read them to save one; everything else, which is lists of holes, is concatenated.
//
// The name is that of Pebble's own merger, with which every store was made: Pebble
// refuses a store with another one.
var Merger = &pdb.Merger{
	Name: pdb.DefaultMerger.Name,
	Merge: func(key, value []byte) (pdb.ValueMerger, error) {
		if merge := mergeOf(key); merge != nil {
			return &valueMerger{merge: merge, value: slices.Clone(value)}, nil
		}
		return pdb.DefaultMerger.Merge(key, value)
	},
}

// mergeOf is how the values of a key are merged; nil: they are concatenated.
func mergeOf(key []byte) func(older, newer []byte) []byte {
	if key[0] != UserPrefix {
		return nil
	}
	end := bytes.IndexByte(key, 0) // of the user's name
	if end < 0 || end+1 == len(key) {
		return nil
	}
	switch key[end+1] {
	case MarkPart:
		return mergeMarks
	case CursorPart:
		return mergeCursors
	}
	return nil
}

// Merge merges two values of a key.
func Merge(key, older, newer []byte) []byte {
	if merge := mergeOf(key); merge != nil {
		return merge(older, newer)
	}
	return slices.Concat(older, newer)
}

// valueMerger is a pdb.ValueMerger.
type valueMerger struct {
	merge func(older, newer []byte) []byte
	value []byte
}

func (m *valueMerger) MergeNewer(value []byte) error {
	m.value = slices.Clone(m.merge(m.value, value)) // Pebble uses the slice again
	return nil
}

func (m *valueMerger) MergeOlder(value []byte) error {
	m.value = slices.Clone(m.merge(value, m.value))
	return nil
}

func (m *valueMerger) Finish(bool) ([]byte, io.Closer, error) { return m.value, nil, nil }
