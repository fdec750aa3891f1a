package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/logtest"
	"github.com/wirepost/wirepost/engine/pebble"
)

func storeOf(fs vfs.FS) *pebble.Directory {
	of := func(channel string) int { return cluster.ShardOf(channel, shards) }
	return pebble.NewDirectory("store", shards, of, pebble.Options{FS: fs, Logger: quiet, MemTableBytes: 256 << 10, StallAfter: time.Hour})
}

// snapped is a cluster whose nodes join with snapshots.
type snapped struct {
	t     *testing.T
	log   *logtest.Memory
	bus   *filter
	times int // entries that were pushed
	seen  []cluster.Progress
}

func newSnapped(t *testing.T) *snapped {
	return &snapped{t: t, log: logtest.NewMemory(shards), bus: &filter{Bus: &logtest.Bus{}}}
}

func (c *snapped) options(node string) cluster.Options {
	return cluster.Options{
		Name: "c", Node: node, Log: c.log, Bus: c.bus, Shards: shards, Logger: quiet, Patience: time.Hour, TickEvery: time.Hour,
		Keep: cluster.Keep{Age: time.Hour},
	}
}

// join joins a node, and reports in c.seen how a snapshot was fetched.
func (c *snapped) join(node string, fs vfs.FS) (*cluster.Engine, error) {
	c.seen = nil
	return cluster.Join(c.t.Context(), storeOf(fs), c.options(node), func(p cluster.Progress) { c.seen = append(c.seen, p) })
}

func (c *snapped) mustJoin(node string, fs vfs.FS) *cluster.Engine {
	c.t.Helper()
	e, err := c.join(node, fs)
	if err != nil {
		c.t.Fatal(err)
	}
	synctest.Wait()
	return e
}

// use makes changes of all kinds through a node.
func (c *snapped) use(n *cluster.Engine, times int) {
	c.t.Helper()
	for range times {
		i := c.times
		c.times++
		channel, user := fmt.Sprint("c", i%40), fmt.Sprint(i%20)
		got := push(c.t, n, engine.Entry{Channel: channel, ID: fmt.Sprint(i), Data: noise(i)},
			engine.Entry{Channel: "user:" + user, ID: fmt.Sprint(i), Key: "k" + fmt.Sprint(i%3)})
		up := engine.Update{User: user, Marks: []engine.Mark{{Channel: channel, Read: got[0].Seq}}}
		switch i % 5 {
		case 0:
			up.Join = []string{channel}
		case 1:
			up.Devices = []engine.Device{{Name: "d", Used: int64(i), Cursors: []engine.Cursor{{Channel: channel, Seq: got[0].Seq}}}}
		case 2:
			push(c.t, n, engine.Entry{Channel: channel, Revokes: got[0].Seq})
		case 3:
			up.Leave = []string{channel}
		}
		if err := n.Save(c.t.Context(), []engine.Update{up}, true); err != nil {
			c.t.Fatal(err)
		}
	}
}

// noise is data that cannot be compressed.
func noise(seed int) []byte {
	data := make([]byte, 3000)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data) //nolint:errcheck // it never fails
	return data
}

// trim removes the log before the last entry that a node has.
func (c *snapped) trim(n *cluster.Engine) {
	c.t.Helper()
	for shard := range shards {
		at, _, _ := n.Applied(shard)
		if err := c.log.Trim(c.t.Context(), shard, max(at, 1)-1); err != nil {
			c.t.Fatal(err)
		}
	}
}

// same compares all answers of two nodes.
func (c *snapped) same(a, b *cluster.Engine) {
	c.t.Helper()
	tick(c.t, a)
	tick(c.t, b)
	if err := b.Ready(); err != nil {
		c.t.Errorf("it is not ready: %v", err)
	}
	if a.Epoch() != b.Epoch() || a.Replica.Epoch() != b.Replica.Epoch() {
		c.t.Errorf("epochs %s and %s, of the stores %s and %s", a.Epoch(), b.Epoch(), a.Replica.Epoch(), b.Replica.Epoch())
	}
	if diff := diffOf(contents(c.t, a), contents(c.t, b)); diff != "" {
		c.t.Errorf("(-one +other)\n%s", diff)
	}
}

// diffOf is cmp.Diff, and much faster if there is no difference.
func diffOf(a, b any) string {
	if reflect.DeepEqual(a, b) {
		return ""
	}
	return cmp.Diff(a, b)
}

func contents(t *testing.T, e engine.Engine) map[string]any {
	t.Helper()
	all := map[string]any{}
	channels, err := e.ListChannels(t.Context(), "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range channels {
		all[name] = readAll(t, e, name, 0)
		all[name+" bounds"] = boundsOf(t, e, name)
	}
	users, err := e.ListUsers(t.Context(), "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range users {
		if all["the user "+name], err = e.Load(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 50 {
		t.Errorf("only %d things are compared", len(all))
	}
	return all
}

// filter is a Bus whose requests can fail, and whose responses can be changed.
type filter struct {
	*logtest.Bus
	mu     sync.Mutex
	change func(topic string, request, response []byte) ([]byte, error)
}

func (f *filter) Request(ctx context.Context, topic string, data []byte) ([]byte, error) {
	response, err := f.Bus.Request(ctx, topic, data)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && f.change != nil {
		return f.change(topic, data, response)
	}
	return response, err
}

func (f *filter) set(change func(topic string, request, response []byte) ([]byte, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.change = change
}

func (c *snapped) noSnapshotsLeft(disks ...vfs.FS) {
	c.t.Helper()
	for _, fs := range disks {
		names, err := fs.List("store")
		if err != nil || strings.Contains(fmt.Sprint(names), "SNAPSHOT") {
			c.t.Errorf("left: %v, %v", names, err)
		}
	}
}

// TestJoin: a node gets what it lacks, by the log as long as that reaches back far enough,
// and by a snapshot otherwise.
func TestJoin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newSnapped(t)
		diskA, diskB, diskD := vfs.NewMem(), vfs.NewMem(), vfs.NewMem()
		a := c.mustJoin("a", diskA)
		defer closeNode(t, a)
		c.use(a, 50)
		b := c.mustJoin("b", diskB)
		if len(c.seen) > 0 {
			t.Errorf("the log reaches back to the beginning, but a snapshot was fetched: %v", c.seen)
		}
		c.same(a, b)
		closeNode(t, b)
		c.use(a, 50)
		c.trim(a)

		d := c.mustJoin("d", diskD)
		last := c.seen[len(c.seen)-1]
		if last.Source != "a" || last.Bytes == 0 || last.Bytes != last.Total {
			t.Errorf("an empty disk: %+v", last)
		}
		c.same(a, d)

		b = c.mustJoin("b", diskB)
		if len(c.seen) == 0 {
			t.Error("a node that was away too long fetched no snapshot")
		}
		c.same(a, b)
		c.use(b, 20)
		c.use(d, 20)
		c.same(a, b)
		c.same(a, d)
		closeNode(t, d)

		damage(t, diskD)
		d = c.mustJoin("d", diskD)
		if len(c.seen) == 0 {
			t.Error("a damaged store was not replaced")
		}
		c.same(a, d)
		closeNode(t, d)
		closeNode(t, b)
		time.Sleep(2 * time.Minute) // a snapshot is removed when nobody needs it
		c.noSnapshotsLeft(diskA, diskB, diskD)
	})
}

// damage cuts a table of a store.
func damage(t *testing.T, fs *vfs.MemFS) {
	t.Helper()
	names, err := fs.List("store")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "MANIFEST") {
			f, err := fs.Create("store/"+name, vfs.WriteCategoryUnspecified)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestJoinBeganWithData: a cluster that began with a store of its own is joined by a
// snapshot, though its log reaches back to the beginning.
func TestJoinBeganWithData(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newSnapped(t)
		single := vfs.NewMem()
		s, err := pebble.Open("store", pebble.Options{FS: single, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		push(t, s, engine.Entry{Channel: "old", ID: "1"})
		epoch := s.Epoch()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := pebble.InitReplica("store", shards, pebble.Options{FS: single, Logger: quiet}); err != nil {
			t.Fatal(err)
		}
		a := c.mustJoin("a", single)
		defer closeNode(t, a)
		c.use(a, 50)
		disk := vfs.NewMem()
		b := c.mustJoin("b", disk)
		if len(c.seen) == 0 {
			t.Error("no snapshot was fetched")
		}
		c.same(a, b)
		if page := readAll(t, b, "old", 0); len(page.Records) != 1 {
			t.Errorf("what was there before the cluster: %+v", page)
		}
		// And back: the new node's directory is a store of its own.
		want := contents(t, b)
		closeNode(t, b)
		if s, err = pebble.Open("store", pebble.Options{FS: disk, Logger: quiet}); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if diff := diffOf(want, contents(t, s)); diff != "" || s.Epoch() != epoch {
			t.Errorf("epoch %s, want %s; (-replica +store)\n%s", s.Epoch(), epoch, diff)
		}
	})
}

// TestJoinAfterRepair: a node that a repair of the log has left behind gets a snapshot when
// it is started again.
func TestJoinAfterRepair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := loseLog(t, false)
		if _, err := l.nodes[0].Repair(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		push(t, l.nodes[0], engine.Entry{Channel: l.channel, ID: "3"})
		for i := 1; i < 3; i++ {
			l.links[i].Cut(false, false)
			time.Sleep(10 * time.Second)
			if err := l.nodes[i].Ready(); !errors.Is(err, cluster.ErrForked) && !errors.Is(err, cluster.ErrTrimmed) {
				t.Errorf("before: %v", err)
			}
			closeNode(t, l.nodes[i])
			o, fetched := l.options(i), false
			o.Shards, o.Logger = shards, quiet
			n, err := cluster.Join(t.Context(), storeOf(l.disks[i]), o, func(cluster.Progress) { fetched = true })
			if err != nil {
				t.Fatal(err)
			}
			l.nodes[i] = n
			time.Sleep(time.Second)
			if err := n.Ready(); err != nil || !fetched {
				t.Errorf("after: %v, fetched %v", err, fetched)
			}
			if got := idsOf(t, n, l.channel); got != "123" {
				t.Errorf("it has %s", got)
			}
		}
	})
}

// TestSnapshotFaults: damaged and lost responses are repeated, and a source that dies is
// replaced.
func TestSnapshotFaults(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(n int, topic string, response []byte) ([]byte, error){
		"damaged": func(n int, topic string, response []byte) ([]byte, error) {
			if n%3 == 1 && len(response) > 0 {
				response = bytes.Clone(response)
				response[len(response)/2] ^= 16
			}
			return response, nil
		},
		"cut": func(n int, topic string, response []byte) ([]byte, error) {
			if n%3 == 1 {
				response = response[:len(response)/2]
			}
			return response, nil
		},
		"lost": func(n int, topic string, response []byte) ([]byte, error) {
			if n%2 == 1 {
				return nil, context.DeadlineExceeded
			}
			return response, nil
		},
		"one source dies": func(n int, topic string, response []byte) ([]byte, error) {
			if n > 6 && strings.HasSuffix(topic, ".a") {
				return nil, engine.ErrNoResponder
			}
			return response, nil
		},
		"one source is silent": func(n int, topic string, response []byte) ([]byte, error) {
			if n > 6 && strings.HasSuffix(topic, ".a") {
				return nil, context.DeadlineExceeded
			}
			return response, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newSnapped(t)
				a := c.mustJoin("a", vfs.NewMem())
				defer closeNode(t, a)
				c.use(a, 140)
				b := c.mustJoin("b", vfs.NewMem())
				defer closeNode(t, b)
				c.trim(a)
				n, faults := 0, 0
				c.bus.set(func(topic string, request, response []byte) ([]byte, error) {
					if !strings.HasPrefix(topic, "snapshot.of.") {
						return response, nil
					}
					n++
					changed, err := change(n, topic, response)
					if err != nil || !bytes.Equal(changed, response) {
						faults++
					}
					return changed, err
				})
				d := c.mustJoin("d", vfs.NewMem())
				defer closeNode(t, d)
				if faults == 0 || len(c.seen) == 0 {
					t.Errorf("%d faults, %d requests", faults, n)
				}
				if last := c.seen[len(c.seen)-1]; strings.HasPrefix(name, "one source") && last.Source != "b" {
					t.Errorf("fetched from %+v", last)
				}
				c.same(a, d)
			})
		})
	}
}

// TestSnapshotDiskFull: a node whose disk does not take the snapshot says so, and keeps
// the store that it had.
func TestSnapshotDiskFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newSnapped(t)
		disk := vfs.NewMem()
		a := c.mustJoin("a", vfs.NewMem())
		defer closeNode(t, a)
		c.use(a, 100)
		b := c.mustJoin("b", disk)
		at, _, _ := b.Applied(0)
		closeNode(t, b)
		c.use(a, 140)
		c.trim(a)
		var left atomic.Int64
		left.Store(300 << 10)
		full := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "incoming") && left.Add(-100<<10) < 0 {
				return syscall.ENOSPC
			}
			return nil
		}))
		if e, err := c.join("b", full); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v, %v", e, err)
		}
		r, err := storeOf(disk).Open()
		if err != nil {
			t.Fatal(err)
		}
		if now, _, _ := r.Applied(0); now != at {
			t.Errorf("the store is at %d, and was at %d", now, at)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		c.noSnapshotsLeft(disk)
		b = c.mustJoin("b", disk)
		defer closeNode(t, b)
		c.same(a, b)
	})
}

// TestSnapshotUnderLoad: while a snapshot is fetched, slowly, the log grows and is trimmed,
// but not further than the snapshot.
func TestSnapshotUnderLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newSnapped(t)
		options := c.options("a")
		options.SnapshotRate = 1000 // bytes a second: it takes most of a minute
		a, err := cluster.Join(t.Context(), storeOf(vfs.NewMem()), options, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer closeNode(t, a)
		c.use(a, 170)
		c.trim(a)
		stop := make(chan struct{})
		var running sync.WaitGroup
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
					c.use(a, 1)
				}
			}
		})
		state := ""
		running.Go(func() {
			time.Sleep(10 * time.Second)
			for _, n := range a.Cluster().Nodes {
				if n.Name == "b" {
					state = fmt.Sprint(n.State, ": ", n.Reason)
				}
			}
		})
		began := time.Now()
		b := c.mustJoin("b", vfs.NewMem())
		took := time.Since(began)
		close(stop)
		running.Wait()
		defer closeNode(t, b)
		if took < 20*time.Second {
			t.Errorf("it took %s", took)
		}
		begun := 0
		for _, p := range c.seen {
			if p.Source != "" && p.Bytes == 0 {
				begun++
			}
		}
		if begun != 1 {
			t.Errorf("the snapshot was fetched %d times", begun)
		}
		if !strings.HasPrefix(state, "snapshot: it fetches a snapshot from node a: ") {
			t.Errorf("the other nodes said: %q", state)
		}
		c.same(a, b)
		first, _, err := c.log.Bounds(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			time.Sleep(time.Minute)
			c.use(a, 20)
		}
		if now, last, err := c.log.Bounds(t.Context(), 0); err != nil || now == first || now+100 < last {
			t.Errorf("the log is kept: it had all from %d, now it has %d to %d, %v", first, now, last, err)
		}
	})
}

// slowSource is a node that sends its snapshot in about half a minute: in less time, but in
// more than 20 s, if Pebble has removed what was revoked.
func (c *snapped) slowSource(fs vfs.FS) *cluster.Engine {
	c.t.Helper()
	options := c.options("a")
	options.SnapshotRate = 15_000
	a, err := cluster.Join(c.t.Context(), storeOf(fs), options, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.use(a, 300)
	c.trim(a)
	return a
}

func hasSnapshot(fs vfs.FS) bool {
	_, err := fs.Stat("store/SNAPSHOT")
	return err == nil
}

// TestSnapshotShared: nodes that fetch at the same time share a snapshot, and that of one
// that dies is removed.
func TestSnapshotShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newSnapped(t)
		disk := vfs.NewMem()
		a := c.slowSource(disk)
		defer closeNode(t, a)
		var joining sync.WaitGroup
		var joined [2]*cluster.Engine
		for i := range joined {
			joining.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Second)
				var err error
				joined[i], err = cluster.Join(t.Context(), storeOf(vfs.NewMem()), c.options(fmt.Sprint("j", i)), nil)
				if err != nil {
					t.Error(err)
				}
			})
		}
		joining.Wait()
		if t.Failed() {
			return
		}
		for _, n := range joined {
			synctest.Wait()
			c.same(a, n)
			closeNode(t, n)
		}
		if n := a.Stats().Snapshots; n != 1 || hasSnapshot(disk) {
			t.Errorf("%d snapshots were taken, the last is still there: %v", n, hasSnapshot(disk))
		}

		var link logtest.Link
		o := c.options("dies")
		o.Bus = link.Bus(c.bus)
		ctx, kill := context.WithCancel(t.Context())
		joining.Go(func() {
			if e, err := cluster.Join(ctx, storeOf(vfs.NewMem()), o, nil); err == nil {
				t.Error("it was not killed in time")
				closeNode(t, e)
			}
		})
		time.Sleep(10 * time.Second)
		link.Cut(true, true)
		kill()
		joining.Wait()
		if !hasSnapshot(disk) {
			t.Error("there is no snapshot for the node that died")
		}
		time.Sleep(2 * time.Minute)
		if hasSnapshot(disk) {
			t.Error("the snapshot for the node that died is still there")
		}
	})
}

// TestSnapshotSourceFull: a node whose disk becomes full removes its snapshot, and serves
// another one when it is ready again.
func TestSnapshotSourceFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newSnapped(t)
		disk := vfs.NewMem()
		free := func(mib uint64) { disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: mib << 20, TotalBytes: 10 << 30}) }
		free(9000)
		a := c.slowSource(disk)
		defer closeNode(t, a)
		go func() {
			time.Sleep(10 * time.Second)
			free(1)
			time.Sleep(30 * time.Second)
			if hasSnapshot(disk) {
				t.Error("the disk is full, and the snapshot is still there")
			}
			free(9000)
		}()
		b := c.mustJoin("b", vfs.NewMem())
		defer closeNode(t, b)
		c.same(a, b)
		if n := a.Stats().Snapshots; n != 2 {
			t.Errorf("%d snapshots were taken", n)
		}
	})
}

// TestSnapshotNameTaken: a node that has the name of another one fetches nothing.
func TestSnapshotNameTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newSnapped(t)
		a := c.mustJoin("a", vfs.NewMem())
		defer closeNode(t, a)
		c.use(a, 10)
		c.trim(a)
		if e, err := c.join("a", vfs.NewMem()); !errors.Is(err, cluster.ErrNameTaken) {
			t.Errorf("%v, %v", e, err)
		}
	})
}
