package note

import (
	"reflect"
	"testing"

	"github.com/wirepost/wirepost/engine/cluster/internal/batch"
)

// FuzzDecode: no note makes a node panic, and what is accepted is what would be stored.
func FuzzDecode(f *testing.F) {
	n := Note{
		Epoch: "e", Cluster: "c", Shards: 4, Generation: 1, History: 2, Before: 3, Size: 4,
		seen: []seen{{batch.Proposer{1}, 2, 3}}, Members: []Member{{batch.Report{Node: "a", Level: 1, Durable: 2, Size: 3}, 4}},
	}
	f.Add(n.Append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := Decode(data)
		if err != nil || len(data) == 0 {
			return
		}
		if again, err := Decode(n.Append(nil)); err != nil || !reflect.DeepEqual(n, again) {
			t.Fatalf("%+v is stored as %+v, %v", n, again, err)
		}
	})
}
