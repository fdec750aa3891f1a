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
		r.Add(Point{Time: int64(i)})
	}
	all := r.Points()
	if len(all) != Length || all[0].Time != 3 || all[Length-1].Time != int64(Length)+2 {
		t.Errorf("%d points from %d to %d", len(all), all[0].Time, all[len(all)-1].Time)
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
			r.Run(stop, func() Point { return Point{Time: time.Now().UnixMilli(), Memory: Memory()} })
		})
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		close(stop)
		running.Wait()
		all := r.Points()
		if span := all[len(all)-1].Time - all[0].Time; len(all) != Length || span != int64((Length-1)*5000) || all[0].Memory == 0 {
			t.Errorf("%d points over %d ms, the first %+v", len(all), span, all[0])
		}
	})
}
