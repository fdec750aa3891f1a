package format

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
	traced := *sample
	traced.Trace = "a trace context"
	for _, r := range []*engine.Record{sample, &traced, {Seq: 1, Time: 1}, {Seq: 9, Prev: 3, Time: 5, Revokes: 2, ID: "x"}} {
		value := AppendRecord(nil, r, deadline)
		if len(value) != RecordSize(r, deadline) {
			t.Fatalf("size %d, want %d", RecordSize(r, deadline), len(value))
		}
		got, err := decodeRecord(r.Seq, value)
		if diff := cmp.Diff(r, got); diff != "" || err != nil {
			t.Fatalf("%v %s", err, diff)
		}
		if g, err := GlanceAt(r.Seq, value); err != nil || g.Deadline != deadline {
			t.Fatalf("deadline %d, %v", g.Deadline, err)
		} else if key, err := g.Key(); key != r.Key || err != nil {
			t.Fatalf("key %q, %v", key, err)
		}
		for n := range len(value) - len(r.Data) {
			if _, err := decodeRecord(r.Seq, value[:n]); err == nil {
				t.Fatalf("%d of %d bytes were taken for a record", n, len(value))
			}
		}
	}
}

func TestHeadRoundTrip(t *testing.T) {
	h := Head{Seq: 9, Floor: 5, Purged: 4, Lost: 5, Live: 3, Time: 1, Ends: 2, Latest: 3, Sweep: 4, Mixed: true, Keyed: true}
	if got, err := DecodeHead(h.Append(nil)); got != h || err != nil {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestAllocs(t *testing.T) {
	r, deadline := sampleRecord()
	buf := AppendRecord(nil, r, deadline)
	value := bytes.Clone(buf)
	for name, test := range map[string]struct {
		max float64
		run func()
	}{
		"encode": {0, func() { buf = AppendRecord(buf[:0], r, deadline) }},
		"decode": {3, func() { _, _ = decodeRecord(r.Seq, value) }}, // the record, its text, its data
		"glance": {0, func() { _, _ = GlanceAt(r.Seq, value) }},
		"key":    {0, func() { buf = RecordKey(buf[:0], "user:42", 1) }},
	} {
		if got := testing.AllocsPerRun(100, test.run); got > test.max {
			t.Errorf("%s: %v allocations, at most %v wanted", name, got, test.max)
		}
	}
}

// decodeRecord makes a record that shares nothing with value.
func decodeRecord(seq uint64, value []byte) (*engine.Record, error) {
	g, err := GlanceAt(seq, value)
	if err != nil {
		return nil, err
	}
	return g.Record(seq)
}

func FuzzDecodeRecord(f *testing.F) {
	r, deadline := sampleRecord()
	f.Add(r.Seq, AppendRecord(nil, r, deadline))
	f.Add(uint64(1), AppendRecord(nil, &engine.Record{Seq: 1, Time: 1, Revokes: 3}, 0))
	f.Fuzz(func(t *testing.T, seq uint64, value []byte) {
		r, err := decodeRecord(seq, value)
		g, glanceErr := GlanceAt(seq, value)
		if glanceErr == nil {
			_, _ = g.Key()
		}
		if err != nil {
			return
		}
		if r.Time < 0 || r.Expires < 0 || g.Deadline < 0 || r.Expires != 0 && r.Expires < r.Time {
			return // overflown numbers are not written again as they were
		}
		again, err := decodeRecord(seq, AppendRecord(nil, r, g.Deadline))
		if diff := cmp.Diff(r, again); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
	})
}

func FuzzDecodeHead(f *testing.F) {
	f.Add((&Head{Seq: 9, Floor: 5, Live: 3, Time: 1}).Append(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		h, err := DecodeHead(value)
		if err != nil {
			return
		}
		if again, err := DecodeHead(h.Append(nil)); again != h || err != nil {
			t.Fatalf("%+v, then %+v, %v", h, again, err)
		}
		_, _ = DecodeKeyed(value)
		_, _ = DecodeMemo(value)
	})
}

func FuzzDecodePushSubscription(f *testing.F) {
	f.Add(AppendPushSubscription(nil, &engine.PushSubscription{P256dh: []byte{4, 0}, Auth: []byte("auth"), Device: "d", Since: 9, Expires: 10}))
	f.Add(AppendPushSubscription(nil, &engine.PushSubscription{}))
	f.Fuzz(func(t *testing.T, value []byte) {
		s, err := DecodePushSubscription(value)
		if err != nil {
			return
		}
		again, err := DecodePushSubscription(AppendPushSubscription(nil, &s))
		if diff := cmp.Diff(s, again); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
		for n := range len(value) {
			if _, err := DecodePushSubscription(value[:n]); err == nil {
				t.Fatalf("%d of %d bytes were taken for a subscription", n, len(value))
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	r, deadline := sampleRecord()
	buf := make([]byte, 0, 512)
	for b.Loop() {
		buf = AppendRecord(buf[:0], r, deadline)
	}
}

func BenchmarkDecode(b *testing.B) {
	r, deadline := sampleRecord()
	value := AppendRecord(nil, r, deadline)
	for b.Loop() {
		if _, err := decodeRecord(r.Seq, value); err != nil {
			b.Fatal(err)
		}
	}
}
