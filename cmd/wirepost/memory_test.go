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

func TestPacer(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	p := pacer{steady: 48 * mb}
	for i, step := range []struct {
		live uint64
		want int
		set  bool
	}{
		{3 * mb, 400, true},     // it grows: 12 MB
		{3 * mb, 1600, true},    // steady: 48 MB, 16 times the heap
		{6 * mb, 200, true},     // grows
		{12 * mb, 100, true},    // and goes on
		{12 * mb, 400, true},    // steady
		{12.5 * mb, 400, false}, // about the same
		{1000 * mb, 50, true},
		{1000 * mb, 50, false},
	} {
		if got, set := p.next(step.live); got != step.want || set != step.set {
			t.Errorf("step %d, %d MB alive: %d %%, %v, want %d %%, %v", i, step.live/mb, got, set, step.want, step.set)
		}
	}
	for limit, want := range map[uint64]uint64{0: 12 * mb, 256 * mb: 12 * mb, 1024 * mb: 32 * mb, 1 << 40: 64 * mb} {
		if got := steadyHeadroom(limit); got != want {
			t.Errorf("limit %d: %d, want %d", limit, got, want)
		}
	}
}
