package pebble

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/engine"
)

func sampleRecord() (*engine.Record, int64) {
	return &engine.Record{
		Seq: 70_000, Prev: 69_999, Time: 1_789_000_000_000, Expires: 1_789_000_060_000, ID: "0123456789abcdef",
		Key: "k", ContentType: "application/json", From: "42", Data: bytes.Repeat([]byte("x"), 256),
	}, 1_789_100_000_000
}

func TestRecordRoundTrip(t *testing.T) {
	sample, deadline := sampleRecord()
	for _, r := range []*engine.Record{sample, {Seq: 1, Time: 1}, {Seq: 9, Prev: 3, Time: 5, Revokes: 2, ID: "x"}} {
		value := appendRecord(nil, r, deadline)
		if len(value) != recordSize(r, deadline) {
			t.Fatalf("size %d, want %d", recordSize(r, deadline), len(value))
		}
		got, err := decodeRecord(r.Seq, value)
		if diff := cmp.Diff(r, got); diff != "" || err != nil {
			t.Fatalf("%v %s", err, diff)
		}
		if g, err := glanceAt(r.Seq, value); err != nil || g.deadline != deadline {
			t.Fatalf("deadline %d, %v", g.deadline, err)
		}
		for n := range len(value) - len(r.Data) {
			if _, err := decodeRecord(r.Seq, value[:n]); err == nil {
				t.Fatalf("%d of %d bytes were taken for a record", n, len(value))
			}
		}
	}
}

func TestHeadRoundTrip(t *testing.T) {
	h := head{seq: 9, floor: 5, purged: 4, lost: 5, live: 3, time: 1, ends: 2, latest: 3, sweep: 4, mixed: true, keyed: true}
	if got, err := decodeHead(h.append(nil)); got != h || err != nil {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestAllocs(t *testing.T) {
	r, deadline := sampleRecord()
	buf := appendRecord(nil, r, deadline)
	value := bytes.Clone(buf)
	for name, test := range map[string]struct {
		max float64
		run func()
	}{
		"encode": {0, func() { buf = appendRecord(buf[:0], r, deadline) }},
		"decode": {3, func() { _, _ = decodeRecord(r.Seq, value) }}, // the record, its text, its data
		"glance": {0, func() { _, _ = glanceAt(r.Seq, value) }},
		"key":    {0, func() { buf = recordKey(buf[:0], "user:42", 1) }},
	} {
		if got := testing.AllocsPerRun(100, test.run); got > test.max {
			t.Errorf("%s: %v allocations, at most %v wanted", name, got, test.max)
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	r, deadline := sampleRecord()
	f.Add(r.Seq, appendRecord(nil, r, deadline))
	f.Add(uint64(1), appendRecord(nil, &engine.Record{Seq: 1, Time: 1, Revokes: 3}, 0))
	f.Fuzz(func(t *testing.T, seq uint64, value []byte) {
		r, err := decodeRecord(seq, value)
		g, glanceErr := glanceAt(seq, value)
		if glanceErr == nil {
			_, _ = g.key()
		}
		if err != nil {
			return
		}
		if r.Time < 0 || r.Expires < 0 || g.deadline < 0 || r.Expires != 0 && r.Expires < r.Time {
			return // overflown numbers are not written again as they were
		}
		again, err := decodeRecord(seq, appendRecord(nil, r, g.deadline))
		if diff := cmp.Diff(r, again); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
	})
}

func FuzzDecodeHead(f *testing.F) {
	f.Add((&head{seq: 9, floor: 5, live: 3, time: 1}).append(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		h, err := decodeHead(value)
		if err != nil {
			return
		}
		if again, err := decodeHead(h.append(nil)); again != h || err != nil {
			t.Fatalf("%+v, then %+v, %v", h, again, err)
		}
		_, _ = decodeKeyed(value)
		_, _ = decodeMemo(value)
	})
}

func BenchmarkEncode(b *testing.B) {
	r, deadline := sampleRecord()
	buf := make([]byte, 0, 512)
	for b.Loop() {
		buf = appendRecord(buf[:0], r, deadline)
	}
}

func BenchmarkDecode(b *testing.B) {
	r, deadline := sampleRecord()
	value := appendRecord(nil, r, deadline)
	for b.Loop() {
		if _, err := decodeRecord(r.Seq, value); err != nil {
			b.Fatal(err)
		}
	}
}
