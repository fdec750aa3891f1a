package cluster

import (
	"encoding/binary"
	"hash/crc32"
	"reflect"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// again encodes a batch that was decoded.
func (b *batch) again() []byte {
	var changes [][]byte
	for _, ch := range b.changes {
		switch {
		case ch.Entry != nil:
			changes = append(changes, appendEntry(nil, ch.Entry))
		case ch.Trim != nil:
			changes = append(changes, appendTrim(nil, ch.Trim))
		default:
			changes = append(changes, appendUpdate(nil, ch.Update))
		}
	}
	return b.append(nil, changes...)
}

func full() *batch {
	return &batch{
		level: 1, epoch: "epoch", generation: 3, proposer: proposer{1, 2}, counter: 4, base: 5, history: 6, sweep: true,
		genesis: &genesis{cluster: "c", shards: 4, data: true},
		report:  &report{node: "a", level: 1, durable: 7, size: 8},
		forget:  "b",
		changes: []engine.Change{
			{Entry: &engine.Entry{Channel: "x", ID: "1", Idempotent: true, Key: "k", ContentType: "t", From: "u", TTL: time.Second, Data: []byte("data"), Limits: engine.Limits{MaxAge: 1, MaxMessages: 2}}},
			{Entry: &engine.Entry{Channel: "x", Revokes: 9, Data: []byte{}}},
			{Trim: &engine.Trim{Channel: "x", Through: 3}},
			{Update: &engine.Update{
				User: "u", Leave: []string{"a"}, Join: []string{"b", "c"}, Marks: []engine.Mark{{Channel: "b", Read: 1, Since: 2}},
				RemoveDevices: []string{"d"}, Devices: []engine.Device{{Name: "e", Used: -1, Cursors: []engine.Cursor{{Channel: "b", Seq: 3}}}},
			}},
		},
	}
}

// TestBatch: a batch is decoded to what was encoded, and any damage is noticed.
func TestBatch(t *testing.T) {
	t.Parallel()
	data := full().again()
	got, err := decodeBatch(data, 1)
	if err != nil || !reflect.DeepEqual(got, full()) {
		t.Fatalf("%+v, %v", got, err)
	}
	for i := range data {
		data[i] ^= 4
		if _, err := decodeBatch(data, 1); err == nil {
			t.Errorf("byte %d is wrong, and nobody notices", i)
		}
		data[i] ^= 4
		if _, err := decodeBatch(data[:i], 1); err == nil {
			t.Errorf("cut after %d bytes, and nobody notices", i)
		}
	}
}

// FuzzDecodeBatch: no entry of the log makes a replica panic. What it accepts is what it
// would encode.
func FuzzDecodeBatch(f *testing.F) {
	data := full().again()
	f.Add(data[:len(data)-4])
	empty := (&batch{level: 1, counter: 1}).append(nil)
	f.Add(empty[:len(empty)-4])
	f.Fuzz(func(t *testing.T, data []byte) {
		data = binary.BigEndian.AppendUint32(data[:len(data):len(data)], crc32.Checksum(data, castagnoli))
		b, err := decodeBatch(data, 1)
		if err != nil {
			return
		}
		again, err := decodeBatch(b.again(), 1)
		if err != nil || len(again.changes) != len(b.changes) || again.counter != b.counter || again.forget != b.forget {
			t.Fatalf("%+v is encoded as %+v, %v", b, again, err)
		}
	})
}

// FuzzDecodeNote: no note makes a node panic, and what is accepted is what would be stored.
func FuzzDecodeNote(f *testing.F) {
	n := note{
		epoch: "e", cluster: "c", shards: 4, generation: 1, history: 2, before: 3, size: 4,
		seen: []seen{{proposer{1}, 2, 3}}, members: []member{{report{"a", 1, 2, 3}, 4}},
	}
	f.Add(n.append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := decodeNote(data)
		if err != nil || len(data) == 0 {
			return
		}
		if again, err := decodeNote(n.append(nil)); err != nil || !reflect.DeepEqual(n, again) {
			t.Fatalf("%+v is stored as %+v, %v", n, again, err)
		}
	})
}
