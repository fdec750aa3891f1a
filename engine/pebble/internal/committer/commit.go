package committer

import (
	"bytes"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// commit is the current commit. It belongs to the committer's goroutine.
type commit struct {
	k       *Committer
	changes *stage.Changes
	synced  time.Time // when the last commit with sync began
	sync    bool      // a request waits for the disk
	notices []notice
}

// notice holds the new records for the watcher of a channel.
type notice struct {
	watcher engine.Watcher
	records []*engine.Record
}

// run is the committer's goroutine.
func (k *Committer) run() {
	defer close(k.done)
	c := &commit{k: k, changes: stage.New(k.DB, k.Cache, k.Log)}
	var reuse []*request
	for {
		k.restBetweenSyncs(c.synced)
		taken := k.take(reuse)
		if taken == nil {
			return
		}
		c.perform(taken)
		clear(taken)
		reuse = taken
	}
}

// restBetweenSyncs lets requests gather until the next sync is allowed. Those that
// need no sync wait with them.
func (k *Committer) restBetweenSyncs(last time.Time) {
	if k.SyncInterval > 0 && !last.IsZero() {
		time.Sleep(k.SyncInterval - time.Since(last))
	}
}

// perform makes one commit of requests and completes them.
func (c *commit) perform(taken []*request) {
	now, size := c.k.Now(), 0
	for _, rq := range taken {
		size += rq.size()
	}
	short := c.k.Space.Check(now, size)
	c.sync = false
	c.changes.Begin(now, size)
	for _, rq := range taken {
		if short != nil && (!rq.frees || c.k.Space.Full()) {
			rq.err = short
			continue
		}
		c.stage(rq)
	}
	if c.sync && c.k.SyncInterval > 0 {
		c.synced = time.Now()
	}
	wrote, err := c.write()
	if short != nil && err == nil {
		err = c.free(wrote)
	}
	for _, rq := range taken {
		if err != nil {
			rq.err = err
		}
	}
	if stalled := c.publish(taken, err == nil); stalled {
		c.k.Log.Info("storage goes on after a stall")
		return
	}
	for _, rq := range taken {
		rq.done <- nil // the request belongs to its caller again
	}
}

// free starts to free the disk space of what was removed.
func (c *commit) free(wrote bool) error {
	removed := c.changes.TakeRemoved()
	if !wrote && len(removed) == 0 {
		return nil
	}
	_, err := c.k.DB.AsyncFlush()
	c.k.reclaimer.add(removed)
	return err
}

func (c *commit) stage(rq *request) {
	c.sync = c.sync || rq.sync
	if rq.run != nil {
		rq.err = rq.run(c.changes)
		return
	}
	for i := range rq.entries {
		c.changes.Append(&rq.entries[i], &rq.pins[i], &rq.results[i])
	}
}

// write puts the batch into the store, and reports whether there was anything to write.
func (c *commit) write() (wrote bool, err error) {
	batch := c.changes.Batch()
	wrote = !batch.Empty()
	sync := c.sync && (c.changes.Flush || wrote)
	if !wrote && !sync {
		return false, c.k.Fault.Get()
	}
	if err := c.k.apply(batch, sync); err != nil {
		return wrote, err // Pebble may still hold on to the batch
	}
	return wrote, batch.Close()
}

// apply writes a batch. Pebble returns no error for some failed writes; see disk.Freezing.
func (k *Committer) apply(b *pdb.Batch, sync bool) error {
	if err := k.Fault.Get(); err != nil {
		return err
	}
	how := pdb.NoSync
	if sync {
		how = pdb.Sync
		if b.Empty() {
			b.LogData(nil, nil) // an empty batch would not reach the disk
		}
	}
	k.awaitCompactions()
	if err := b.Commit(how); err != nil {
		k.Fault.Set(err)
	}
	return k.Fault.Get()
}

// publish makes a commit visible, calls the watchers and releases the pins. It reports
// whether the watchdog had completed the requests, because the commit took too long.
func (c *commit) publish(taken []*request, durable bool) (stalled bool) {
	k := c.k
	k.notifying.Lock()
	defer k.notifying.Unlock()
	k.Cache.Lock()
	c.changes.PublishLocked(durable, c.notify)
	for _, rq := range taken {
		k.Cache.UnpinLocked(rq.pins)
	}
	stalled = k.endedLocked()
	k.Cache.Unlock()

	for _, n := range c.notices {
		if k.Replica {
			release(n.records)
		}
		n.watcher.Appended(n.records)
	}
	clear(c.notices)
	c.notices = c.notices[:0]
	return stalled
}

// release copies the data of records that watchers may keep: in a replica they are slices of
// an entry of the log, up to a thousand times as large as they are. Only records that are
// watched are copied.
func release(records []*engine.Record) {
	for _, r := range records {
		r.Data = bytes.Clone(r.Data)
	}
}

// notify keeps the records for the watcher of their channel, if it has one.
func (c *commit) notify(channel string, records []*engine.Record) (keeps bool) {
	watcher := c.k.watchers[channel]
	if watcher == nil {
		return false
	}
	c.notices = append(c.notices, notice{watcher, records})
	return true
}
