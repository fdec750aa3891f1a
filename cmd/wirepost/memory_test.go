package main

import "testing"

func TestTidier(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	var tidy tidier
	for i, step := range []struct {
		allocated uint64
		due       bool
	}{
		{2 * mb, false},     // starting
		{2 * mb, false},     // idle, but there is little to gain
		{200 * mb, false},   // a burst
		{300 * mb, false},   // goes on
		{300*mb + 1, false}, // and is over
		{300*mb + 2, false},
		{300*mb + 3, true},
		{300*mb + 4, false},
		{304 * mb, false},
		{304*mb + 5, false},
		{304*mb + 6, false},
		{304*mb + 7, false}, // little again
		{310 * mb, false},
		{310*mb + 5, false},
		{310*mb + 6, false},
		{310*mb + 7, true},
	} {
		if got := tidy.due(step.allocated); got != step.due {
			t.Errorf("step %d: due is %v", i, got)
		}
	}
	if read("/gc/heap/allocs:bytes") == 0 {
		t.Error("nothing was ever allocated")
	}
}

func TestPercentFor(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	for live, want := range map[uint64]int{
		0: 400, 1 * mb: 400, 3 * mb: 400, 6 * mb: 200, 12 * mb: 100, 24 * mb: 50, 1000 * mb: 50,
	} {
		if got := percentFor(live); got != want {
			t.Errorf("%d MB alive: %d %%, want %d %%", live/mb, got, want)
		}
	}
}
