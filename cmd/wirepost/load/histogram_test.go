package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramQuantiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, spread := range []time.Duration{100, time.Microsecond, time.Millisecond, time.Hour} {
		var parts [2]histogram
		var all []time.Duration
		for i := range 10_000 {
			d := time.Duration(random.ExpFloat64() * float64(spread))
			parts[i%2].add(d)
			all = append(all, d)
		}
		h := &parts[0]
		h.merge(&parts[1])
		slices.Sort(all)
		for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999, 1} {
			exact := all[max(int(q*10_000)-1, 0)]
			got := h.quantile(q)
			if got < exact || float64(got) > float64(exact)*(1+1.0/perOctave)+1 {
				t.Errorf("spread %s: quantile %g is %s, exact is %s", spread, q, got, exact)
			}
		}
		if h.max != all[len(all)-1] || h.count != 10_000 {
			t.Errorf("max %s of %d", h.max, h.count)
		}
		ms, percent := h.curve()
		if !slices.IsSorted(ms) || !slices.IsSorted(percent) || percent[len(percent)-1] != 100 || len(ms) > 1000 {
			t.Errorf("spread %s: the curve is %v %v", spread, ms, percent)
		}
	}
}

func TestHistogramEdges(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	for _, d := range []time.Duration{-1, 0, 63, 64, 127, 128, 1<<63 - 1} {
		if b := bucketOf(d); boundOf(b) < d || b > 0 && boundOf(b-1) >= d {
			t.Errorf("%d is in the bucket %d, which ends at %d", d, b, boundOf(b))
		}
		h.add(d)
	}
	if h.quantile(1) != 1<<63-1 {
		t.Error("the largest duration is not the last quantile")
	}
}
