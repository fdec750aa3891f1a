package batch

import (
	"encoding/binary"
	"hash/crc32"
	"reflect"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// again encodes a batch that was decoded.
func (b *Batch) again() []byte {
	var changes [][]byte
	for _, ch := range b.Changes {
		switch {
		case ch.Entry != nil:
			changes = append(changes, AppendEntry(nil, ch.Entry))
		case ch.Trim != nil:
			changes = append(changes, AppendTrim(nil, ch.Trim))
		default:
			changes = append(changes, AppendUpdate(nil, ch.Update))
		}
	}
	return b.Append(nil, changes...)
}

func full() *Batch {
	return &Batch{
		Level: 1, Epoch: "epoch", Generation: 3, Proposer: Proposer{1, 2}, Counter: 4, Base: 5, History: 6, Sweep: true,
		Genesis: &Genesis{Cluster: "c", Shards: 4, Data: true},
		Report:  &Report{Node: "a", Level: 1, Durable: 7, Size: 8},
		Forget:  "b",
		Changes: []engine.Change{
			{Entry: &engine.Entry{Channel: "x", ID: "1", Idempotent: true, Key: "k", ContentType: "t", From: "u", Trace: "t\x00", TTL: time.Second, Data: []byte("data"), Limits: engine.Limits{MaxAge: 1, MaxMessages: 2}}},
			{Entry: &engine.Entry{Channel: "x", Revokes: 9, Data: []byte{}}},
			{Entry: &engine.Entry{Channel: "x", ID: "on", Idempotent: true, Forgets: "off", Data: []byte{}}},
			{Entry: &engine.Entry{
				Channel: "x", ID: "later", Bare: true, Data: []byte{},
				Sets: &engine.Timer{Kind: engine.TimerPush, ID: "later", Due: 1789000000000, Data: []byte("hello")},
				Ends: &engine.Timer{Kind: engine.TimerStep, ID: "7", Due: 5},
			}},
			{Trim: &engine.Trim{Channel: "x", Through: 3}},
			{Update: &engine.Update{
				User: "u", Leave: []string{"a"}, Join: []string{"b", "c"}, Marks: []engine.Mark{{Channel: "b", Read: 1, Since: 2}},
				RemoveDevices: []string{"d"}, Devices: []engine.Device{{Name: "e", Used: -1, Cursors: []engine.Cursor{{Channel: "b", Seq: 3}}}},
			}},
			{Update: &engine.Update{
				User: "u", Join: []string{"b"}, RemovePushSubscriptions: []string{"https://push.example/1"},
				PushSubscriptions: []engine.PushSubscription{
					{Endpoint: "https://push.example/2", P256dh: []byte{4, 0, 255}, Auth: []byte{1}, Device: "d", Since: 5, Expires: 1789000000000},
				},
			}},
		},
	}
}

// TestBatch: a batch is decoded to what was encoded, and any damage is noticed.
func TestBatch(t *testing.T) {
	t.Parallel()
	data := full().again()
	got, err := Decode(data, Level)
	if err != nil || !reflect.DeepEqual(got, full()) {
		t.Fatalf("%+v, %v", got, err)
	}
	for i := range data {
		data[i] ^= 4
		if _, err := Decode(data, Level); err == nil {
			t.Errorf("byte %d is wrong, and nobody notices", i)
		}
		data[i] ^= 4
		if _, err := Decode(data[:i], Level); err == nil {
			t.Errorf("cut after %d bytes, and nobody notices", i)
		}
	}
}

// FuzzDecode: no entry of the log makes a replica panic. What it accepts is what it
// would encode.
func FuzzDecode(f *testing.F) {
	data := full().again()
	f.Add(data[:len(data)-4])
	empty := (&Batch{Level: 1, Counter: 1}).Append(nil)
	f.Add(empty[:len(empty)-4])
	f.Fuzz(func(t *testing.T, data []byte) {
		data = binary.BigEndian.AppendUint32(data[:len(data):len(data)], crc32.Checksum(data, castagnoli))
		b, err := Decode(data, Level)
		if err != nil {
			return
		}
		again, err := Decode(b.again(), Level)
		if err != nil || len(again.Changes) != len(b.Changes) || again.Counter != b.Counter || again.Forget != b.Forget {
			t.Fatalf("%+v is encoded as %+v, %v", b, again, err)
		}
	})
}
