package cluster_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
)

// TestTrim: the log keeps what a member does not have on its disk yet, within bounds.
func TestTrim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := logtest.NewMemory(shards)
		disk := vfs.NewMem()
		open := func(name string, fs vfs.FS) *cluster.Engine {
			return openWith(t, fs, cluster.Options{Name: "c", Node: name, Log: log, Keep: cluster.Keep{Age: 10 * time.Minute}})
		}
		bounds := func() (first, last uint64) {
			first, last, err := log.Bounds(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			return first, last
		}
		a, b := open("a", vfs.NewMem()), open("b", disk)
		defer closeNode(t, a)
		time.Sleep(5 * time.Minute)
		first, last := bounds()
		if first+120 < last || first > last {
			t.Errorf("the log has %d to %d although all members have nearly all of it", first, last)
		}
		closeNode(t, b)
		time.Sleep(8 * time.Minute)
		if waiting, last := bounds(); waiting > first+120 || last < first+400 {
			t.Errorf("the log has %d to %d, and a member may need all after %d", waiting, last, first+120)
		}
		b = open("b", disk)
		tick(t, b)
		if err := b.Ready(); err != nil {
			t.Errorf("a member that was away: %v", err)
		}
		closeNode(t, b)
		time.Sleep(20 * time.Minute)
		if first, last = bounds(); first+120 < last {
			t.Errorf("the log has %d to %d, for a member that was away too long", first, last)
		}
		b = open("b", disk)
		defer closeNode(t, b)
		synctest.Wait()
		if err := b.Ready(); !errors.Is(err, cluster.ErrTrimmed) || !errors.Is(err, engine.ErrFailed) {
			t.Errorf("a member that was away too long: %v", err)
		}
	})
}
