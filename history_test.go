package wirepost_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/wirepost/wirepost"
)

// TestHistory reads a channel backwards, page by page, past a revocation, and also in
// memory.
func TestHistory(t *testing.T) {
	t.Parallel()
	n := newNode(t, func(o *wirepost.Options) {
		o.Channels = []wirepost.Policy{{Pattern: "mem", NonDurable: true}}
	})
	for _, channel := range []string{"log", "mem"} {
		seqs := map[string]uint64{}
		for i := range 7 {
			data := fmt.Sprint(i)
			seqs[data] = n.json(channel, data).Seq
		}
		if _, err := n.Revoke(t.Context(), channel, seqs["5"]); err != nil {
			t.Fatal(err)
		}
		var got string
		pages := 0
		for before := uint64(math.MaxUint64); ; pages++ {
			list, next, err := n.History(t.Context(), channel, before, 4)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range list {
				got += string(m.Data)
			}
			if len(list) == 0 {
				if next != before {
					t.Errorf("%s: an empty page continues at %d, want %d", channel, next, before)
				}
				break
			}
			before = next
		}
		if got != "643210" || pages != 2 {
			t.Errorf("%s: %q in %d pages", channel, got, pages)
		}
		if list, next, err := n.History(t.Context(), channel, seqs["2"], 1); err != nil || len(list) != 1 || next != seqs["1"] {
			t.Errorf("%s: before 2: %v, %d, %v", channel, list, next, err)
		}
	}
	for _, limit := range []int{-1, wirepost.MaxLimit + 1} {
		if _, _, err := n.History(t.Context(), "log", 1, limit); err == nil {
			t.Errorf("a limit of %d", limit)
		}
	}
}
