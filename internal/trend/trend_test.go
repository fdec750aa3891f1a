package trend

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

func TestRing(t *testing.T) {
	t.Parallel()
	var r Ring
	if len(r.Points()) != 0 {
		t.Error("a new ring has points")
	}
	for i := range Length + 3 {
		r.Add(Point{Elapsed: int64(i)})
	}
	all := r.Points()
	if len(all) != Length || all[0].Elapsed != 3 || all[Length-1].Elapsed != int64(Length)+2 {
		t.Errorf("%d points from %d to %d", len(all), all[0].Elapsed, all[len(all)-1].Elapsed)
	}
	if size := unsafe.Sizeof(r.points); size > 34_560 {
		t.Errorf("a ring takes %d bytes", size)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r Ring
		stop := make(chan struct{})
		var running sync.WaitGroup
		running.Go(func() {
			r.Run(stop, func() Point { return Point{Elapsed: time.Now().UnixMilli(), Memory: Memory()} })
		})
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		close(stop)
		running.Wait()
		all := r.Points()
		if span := all[len(all)-1].Elapsed - all[0].Elapsed; len(all) != Length || span != int64((Length-1)*5000) || all[0].Memory == 0 {
			t.Errorf("%d points over %d ms, the first %+v", len(all), span, all[0])
		}
	})
}

// TestAt: when the system's clock jumps, the times of all points do.
func TestAt(t *testing.T) {
	t.Parallel()
	points, elapsed := []Point{{Elapsed: 0}, {Elapsed: 5000}, {Elapsed: 10_000}}, 12*time.Second
	for _, jump := range []time.Duration{0, -time.Hour, time.Hour} {
		now := time.Unix(1_800_000_012, 0).Add(jump)
		for i := range points {
			if age := now.Sub(points[i].At(now, elapsed)); age != elapsed-time.Duration(i)*Interval {
				t.Errorf("after a jump by %s, point %d is %s old", jump, i, age)
			}
		}
	}
}
