package pebble

import (
	"bytes"
	"context"
	"errors"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// commit is the committer: the state of the current commit. It belongs to the
// committer's goroutine.
type commit struct {
	e       *Engine
	batch   *pdb.Batch
	now     int64
	synced  time.Time // when the last commit with sync began
	sync    bool      // a request waits for the disk
	indexed bool      // the batch can be read, see reader
	owed    bool      // earlier writes without sync must become durable, too
	touched []*slot[channel]
	late    []*slot[format.Keyed] // pinned here, not by a request
	notices []notice
	spare   []*staged
	short   bool                // there is too little space on the disk
	gone    removals            // while it is so
	fronts  map[string][]uint64 // by channel, see findFront
	key     []byte              // scratch
	value   []byte
}

// staged holds the changes of a commit to a channel.
type staged struct {
	head    format.Head
	dirty   bool   // head must be stored, however few records it lags
	looked  uint64 // head.seq at the last call of due
	records []*engine.Record
	holes   []uint64 // sequences, see hole
	dropped uint64   // the blocks before this one have no holes any more
}

// due reports, once, whether the head must be stored. The first head always is: a channel
// without a stored head is taken to have no records.
func (w *staged) due() bool {
	due := w.dirty || w.looked == 0 && w.head.Seq > 0 || w.looked/format.Checkpoint != w.head.Seq/format.Checkpoint
	w.dirty, w.looked = false, w.head.Seq
	return due
}

// notice holds the new records for the watcher of a channel.
type notice struct {
	watcher engine.Watcher
	records []*engine.Record
}

// commits is the committer's goroutine.
func (e *Engine) commits() {
	defer close(e.committed)
	c := &commit{e: e, fronts: make(map[string][]uint64), gone: removals{}}
	var reuse []*request
	for {
		e.restBetweenSyncs(c.synced)
		taken := e.take(reuse)
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
func (e *Engine) restBetweenSyncs(last time.Time) {
	if e.syncInterval > 0 && !last.IsZero() {
		time.Sleep(e.syncInterval - time.Since(last))
	}
}

// perform makes one commit of requests and completes them.
func (c *commit) perform(taken []*request) {
	c.now, c.sync, c.indexed, c.owed = c.e.nowMilli(), false, false, false
	size := 0
	for _, rq := range taken {
		size += rq.size()
	}
	short := c.e.space.Check(c.now, size)
	c.short = short != nil
	clear(c.gone)
	c.batch = c.e.db.NewBatchWithSize(size + size/2)
	for _, rq := range taken {
		if short != nil && (!rq.frees || c.e.space.Full()) {
			rq.err = short
			continue
		}
		c.stage(rq)
	}
	if c.sync && c.e.syncInterval > 0 {
		c.synced = time.Now()
	}
	wrote := !c.batch.Empty()
	err := c.write(c.sync)
	if short != nil && wrote && err == nil {
		_, err = c.e.db.AsyncFlush()
		c.e.reclaimer.add(c.gone)
	}
	for _, rq := range taken {
		if err != nil {
			rq.err = err
		}
	}
	if stalled := c.publish(taken, err == nil); stalled {
		c.e.log.Info("storage goes on after a stall")
		return
	}
	for _, rq := range taken {
		rq.done <- nil // the request belongs to its caller again
	}
}

// removed records a range of records whose disk space must be freed, because space is
// short.
func (c *commit) removed(channel string, first, last uint64) {
	if c.short {
		c.gone.add(channel, sequences{first, last})
	}
}

func (c *commit) stage(rq *request) {
	c.sync = c.sync || rq.sync
	if rq.run != nil {
		rq.err = rq.run(c)
		return
	}
	for i := range rq.entries {
		c.append(&rq.entries[i], &rq.pins[i], &rq.results[i])
	}
}

// at makes a time that of the commit, unless it is 0.
func (c *commit) at(now int64) {
	if now != 0 {
		c.now = now
	}
}

// touch returns the channel's state in this commit.
func (c *commit) touch(s *slot[channel]) *staged {
	if s.v.staged != nil {
		return s.v.staged
	}
	var w *staged
	if n := len(c.spare); n > 0 {
		w, c.spare = c.spare[n-1], c.spare[:n-1]
	} else {
		w = new(staged)
	}
	w.head = s.v.head // only the committer writes it, so no lock
	w.looked = w.head.Seq
	s.v.staged = w
	c.touched = append(c.touched, s)
	if h := s.v.holes; h != nil {
		c.settle(s, h)
	} else if w.head.Holey {
		w.head.Holey, w.dirty = false, true // the last of them is purged
	}
	return w
}

// write puts the batch into the store, with the heads that belong to it.
func (c *commit) write(sync bool) error {
	for _, s := range c.touched {
		if w := s.v.staged; w.due() {
			c.value = w.head.Append(c.value[:0])
			c.set(format.HeadKey(c.key[:0], s.name), c.value)
		}
	}
	sync = sync && (c.owed || !c.batch.Empty())
	if c.batch.Empty() && !sync {
		return c.e.fault.Get()
	}
	if err := c.e.apply(c.batch, sync); err != nil {
		return err // Pebble may still hold on to the batch
	}
	return c.batch.Close()
}

// reader returns the store as it will be with the changes staged so far. It is for rare
// operations: from then on the batch is indexed, which makes adding to it slower.
func (c *commit) reader() (pdb.Reader, error) {
	if c.indexed {
		return c.batch, nil
	}
	indexed := c.e.db.NewIndexedBatch()
	if !c.batch.Empty() {
		if err := indexed.Apply(c.batch, nil); err != nil {
			return nil, errors.Join(err, indexed.Close())
		}
	}
	err := c.batch.Close()
	c.batch, c.indexed = indexed, true
	return indexed, err
}

// scan calls look with records as scan does, as of the changes staged so far.
func (c *commit) scan(channel string, after, through uint64, look func(seq uint64, g *format.Glance) (more bool, err error)) error {
	r, err := c.reader()
	if err != nil {
		return err
	}
	return format.Scan(context.Background(), r, channel, after, through, look)
}

// apply writes a batch. Pebble returns no error for some failed writes; see freezing.
func (e *Engine) apply(b *pdb.Batch, sync bool) error {
	if err := e.fault.Get(); err != nil {
		return err
	}
	how := pdb.NoSync
	if sync {
		how = pdb.Sync
		if b.Empty() {
			b.LogData(nil, nil) // an empty batch would not reach the disk
		}
	}
	e.awaitCompactions()
	if err := b.Commit(how); err != nil {
		e.fault.Set(err)
	}
	return e.fault.Get()
}

// publish makes a commit visible, calls the watchers and releases the pins. It reports
// whether the watchdog had completed the requests, because the commit took too long.
func (c *commit) publish(taken []*request, durable bool) (stalled bool) {
	e := c.e
	e.notifying.Lock()
	defer e.notifying.Unlock()
	e.mu.Lock()
	for _, s := range c.touched {
		w := s.v.staged
		if durable {
			s.v.head = w.head
			w.publishHoles(s)
			if watcher := e.mu.watchers[s.name]; watcher != nil && len(w.records) > 0 {
				c.notices = append(c.notices, notice{watcher, w.records})
				w.records = nil // the watchers may keep them
			}
		}
		if s.v.sweeping {
			s.v.sweeping = false
			s.v.sweeps++
		}
		clear(w.records)
		w.records, w.holes, w.dropped = w.records[:0], w.holes[:0], 0
		s.v.staged = nil
		c.spare = append(c.spare, w)
	}
	for _, s := range c.late {
		e.mu.keys.unpinLocked(s)
	}
	for _, rq := range taken {
		e.unpinLocked(rq)
	}
	stalled = e.endedLocked()
	e.mu.Unlock()
	clear(c.touched)
	clear(c.late)
	c.touched, c.late = c.touched[:0], c.late[:0]

	for _, n := range c.notices {
		if e.replica != nil {
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

func (c *commit) set(key, value []byte) {
	c.key = key
	_ = c.batch.Set(key, value, nil) // fails on a closed or indexed batch only
}

func (c *commit) delete(key []byte) {
	c.key = key
	_ = c.batch.Delete(key, nil)
}

// pinKey pins a key that no request has pinned.
func (c *commit) pinKey(pair string) (*slot[format.Keyed], error) {
	e := c.e
	e.mu.Lock()
	s := e.mu.keys.pinLocked(pair)
	e.mu.Unlock()
	c.late = append(c.late, s)
	if s.loaded {
		return s, nil
	}
	return s, s.fill(context.Background(), &e.mu.Mutex, e.loadKeyed)
}

func (e *Engine) loadKeyed(_ context.Context, pair string) (k format.Keyed, err error) {
	_, err = format.Get(e.db, format.KeyKey(nil, pair), func(value []byte) error {
		k, err = format.DecodeKeyed(value)
		return err
	})
	return k, err
}

func (c *commit) merge(key, value []byte) {
	c.key = key
	_ = c.batch.Merge(key, value, nil) // fails on a closed or indexed batch only
}
