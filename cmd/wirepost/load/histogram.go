package load

import (
	"math"
	"math/bits"
	"time"
)

// A histogram counts durations in buckets of 1/64 of their size, so that its values
// are at most 1.6 % too high and its memory is constant. It is not safe for
// concurrent use.
type histogram struct {
	counts [58 * perOctave]uint64
	count  uint64
	max    time.Duration
}

const perOctave = 64

func bucketOf(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < perOctave {
		return int(v)
	}
	e := bits.Len64(v) - 7 // v>>e is from 64 to 127
	return e*perOctave + int(v>>e)
}

// boundOf is the largest duration of a bucket.
func boundOf(bucket int) time.Duration {
	if bucket < 2*perOctave {
		return time.Duration(bucket)
	}
	e := bucket/perOctave - 1
	return time.Duration((bucket-e*perOctave+1)<<e - 1)
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.count++
	h.max = max(h.max, d)
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.count += other.count
	h.max = max(h.max, other.max)
}

// quantile returns the duration that the fraction q of all does not exceed; 0 for an
// empty histogram.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(math.Ceil(q * float64(h.count)))
	seen := uint64(0)
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= rank {
			return min(boundOf(i), h.max)
		}
	}
	return h.max
}

// curve returns which percentage did not exceed which milliseconds, in about a
// hundred points.
func (h *histogram) curve() (ms, percent []float64) {
	seen, last := uint64(0), -1.0
	for i, n := range h.counts {
		if n == 0 {
			continue
		}
		seen += n
		p := 100 * float64(seen) / float64(h.count)
		if p-last < 0.5 && seen < h.count && 100-p > 0.5 {
			continue
		}
		last = p
		ms = append(ms, milliseconds(min(boundOf(i), h.max)))
		percent = append(percent, p)
	}
	return ms, percent
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
