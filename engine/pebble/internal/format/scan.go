package format

import (
	"context"
	"fmt"

	pdb "github.com/cockroachdb/pebble/v2"
)

// Scan calls look with the stored records of a channel after one sequence and up to
// another, until look returns false or the context is done.
func Scan(ctx context.Context, r pdb.Reader, channel string, after, through uint64, look func(seq uint64, g *Glance) (more bool, err error)) error {
	it, err := r.NewIter(RecordRange(channel, after, through))
	if err != nil {
		return err
	}
	err = ScanIter(ctx, it, false, look)
	if e := it.Close(); err == nil {
		err = e
	}
	return err
}

func first(it *pdb.Iterator, backward bool) bool {
	if backward {
		return it.Last()
	}
	return it.First()
}

func next(it *pdb.Iterator, backward bool) bool {
	if backward {
		return it.Prev()
	}
	return it.Next()
}

// EndedEvery is the number of keys after which a scan checks its context.
const EndedEvery = 256

// RecordRange is for an iterator over the records after one sequence and up to another.
func RecordRange(channel string, after, through uint64) *pdb.IterOptions {
	return &pdb.IterOptions{
		LowerBound: RecordKey(nil, channel, after+1),
		UpperBound: RecordKey(nil, channel, through+1),
	}
}

// ScanIter calls look with the records of an iterator, first or last one first.
func ScanIter(ctx context.Context, it *pdb.Iterator, backward bool, look func(seq uint64, g *Glance) (more bool, err error)) error {
	for ok, n := first(it, backward), 1; ok; ok, n = next(it, backward), n+1 {
		if n%EndedEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		seq := RecordSeq(it.Key())
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		g, err := GlanceAt(seq, value)
		if err != nil {
			return err
		}
		if more, err := look(seq, &g); err != nil || !more {
			return err
		}
	}
	return it.Error()
}

// ErrStop ends a scan early.
var ErrStop = fmt.Errorf("stop")

// ScanPrefix calls look with the keys that begin with a prefix, from start on.
func ScanPrefix(ctx context.Context, r pdb.Reader, prefix, start []byte, look func(key, value []byte) error) (err error) {
	it, err := r.NewIter(&pdb.IterOptions{LowerBound: start, UpperBound: Successor(prefix)})
	if err != nil {
		return err
	}
	defer func() {
		if e := it.Close(); err == nil {
			err = e
		}
	}()
	for ok, n := it.First(), 1; ok; ok, n = it.Next(), n+1 {
		if n%EndedEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := look(it.Key(), value); err != nil {
			if err == ErrStop {
				return nil
			}
			return err
		}
	}
	return it.Error()
}

// Get calls use with the value of a key, if it exists.
func Get(db pdb.Reader, key []byte, use func(value []byte) error) (found bool, err error) {
	value, closer, err := db.Get(key)
	if err == pdb.ErrNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer closer.Close()
	if err := use(value); err != nil {
		return false, fmt.Errorf("key %q: %w", key, err)
	}
	return true, nil
}

// Ignore is for Get if only the existence of a key matters.
func Ignore([]byte) error { return nil }
