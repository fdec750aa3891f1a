// Package stage decides what a commit changes: what an append, a trim, a sweep or an update
// of a user sets and deletes in the store, and how it changes the heads of channels. It
// writes nothing to the disk.
package stage

import (
	"context"
	"errors"
	"log/slog"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
)

// Changes is what one commit changes: a batch for Pebble, and the staged state of the
// channels that it touches. It belongs to the committer's goroutine, which begins, stages,
// and then writes what Batch returns and publishes.
type Changes struct {
	db    *pdb.DB
	cache *cache.Cache
	log   *slog.Logger

	batch   *pdb.Batch
	now     int64
	indexed bool // the batch can be read, see reader
	// Flush means that earlier writes without sync must become durable, too.
	Flush   bool
	touched []*cache.Slot[cache.Channel]
	late    []*cache.Slot[format.Keyed] // pinned here, not by a request
	spare   []*cache.Staged
	gone    Removals            // of late, see removed
	fronts  map[string][]uint64 // by channel, see findFront
	timers  map[string]int64    // see timers.go
	key     []byte              // scratch
	value   []byte
}

// New returns changes of a store.
func New(db *pdb.DB, cache *cache.Cache, log *slog.Logger) *Changes {
	return &Changes{db: db, cache: cache, log: log, fronts: make(map[string][]uint64), gone: Removals{}, timers: make(map[string]int64)}
}

// Begin begins a commit of about so many bytes, at a time.
func (c *Changes) Begin(now int64, size int) {
	c.now, c.indexed, c.Flush = now, false, false
	clear(c.timers)
	c.batch = c.db.NewBatchWithSize(size + size/2)
}

// At makes a time that of the commit, unless it is 0.
func (c *Changes) At(now int64) {
	if now != 0 {
		c.now = now
	}
}

// Touch returns the channel's state in this commit.
func (c *Changes) Touch(s *cache.Slot[cache.Channel]) *cache.Staged {
	if s.V.Staged != nil {
		return s.V.Staged
	}
	var w *cache.Staged
	if n := len(c.spare); n > 0 {
		w, c.spare = c.spare[n-1], c.spare[:n-1]
	} else {
		w = new(cache.Staged)
	}
	w.Head = s.V.Head // only the committer writes it, so no lock
	w.Looked = w.Head.Seq
	s.V.Staged = w
	c.touched = append(c.touched, s)
	if h := s.V.Holes; h != nil {
		c.settle(s, h)
	} else if w.Head.Holey {
		w.Head.Holey, w.Dirty = false, true // the last of them is purged
	}
	return w
}

// Batch returns what is to be written, with the heads that belong to it.
func (c *Changes) Batch() *pdb.Batch {
	for _, s := range c.touched {
		if w := s.V.Staged; w.Due() {
			c.value = w.Head.Append(c.value[:0])
			c.Set(format.HeadKey(c.key[:0], s.Name), c.value)
		}
	}
	return c.batch
}

// TakeRemoved returns the records that were removed of late, each once. When space on the
// disk is short, the space that they take must be freed.
func (c *Changes) TakeRemoved() Removals {
	if len(c.gone) == 0 {
		return nil
	}
	gone := c.gone
	c.gone = Removals{}
	return gone
}

// PublishLocked makes the changes visible if they are durable, calls notify with the new
// records of each channel, which reports whether it keeps them, and ends the commit. The mutex
// of the cache is held.
func (c *Changes) PublishLocked(durable bool, notify func(channel string, records []*engine.Record) (keeps bool)) {
	if durable && len(c.timers) > 0 {
		c.cache.Timers.Set(c.firstTimer())
	}
	for _, s := range c.touched {
		w := s.V.Staged
		if durable {
			s.V.Head = w.Head
			w.PublishHoles(s)
			if len(w.Records) > 0 && notify(s.Name, w.Records) {
				w.Records = nil
			}
		}
		if s.V.Sweeping {
			s.V.Sweeping = false
			s.V.Sweeps++
		}
		clear(w.Records)
		w.Records, w.Holes, w.Dropped = w.Records[:0], w.Holes[:0], 0
		s.V.Staged = nil
		c.spare = append(c.spare, w)
	}
	for _, s := range c.late {
		c.cache.Keys.UnpinLocked(s)
	}
	clear(c.touched)
	clear(c.late)
	c.touched, c.late = c.touched[:0], c.late[:0]
}

// reader returns the store as it will be with the changes staged so far. It is for rare
// operations: from then on the batch is indexed, which makes adding to it slower.
func (c *Changes) reader() (pdb.Reader, error) {
	if c.indexed {
		return c.batch, nil
	}
	indexed := c.db.NewIndexedBatch()
	if !c.batch.Empty() {
		if err := indexed.Apply(c.batch, nil); err != nil {
			return nil, errors.Join(err, indexed.Close())
		}
	}
	err := c.batch.Close()
	c.batch, c.indexed = indexed, true
	return indexed, err
}

// scan calls look with records as format.Scan does, as of the changes staged so far.
func (c *Changes) scan(channel string, after, through uint64, look func(seq uint64, g *format.Glance) (more bool, err error)) error {
	r, err := c.reader()
	if err != nil {
		return err
	}
	return format.Scan(context.Background(), r, channel, after, through, look)
}

// removed notes a range of removed records. Space may be short only after this commit, so it
// notes them always, for the last channels: writes have Pebble compact what was removed
// longer ago.
func (c *Changes) removed(channel string, first, last uint64) {
	if _, ok := c.gone[channel]; !ok && len(c.gone) == ofLate {
		clear(c.gone)
	}
	c.gone.Add(channel, Sequences{first, last})
}

// Set stages a value.
func (c *Changes) Set(key, value []byte) {
	c.key = key
	_ = c.batch.Set(key, value, nil) // fails on a closed or indexed batch only
}

// Delete stages the removal of a key.
func (c *Changes) Delete(key []byte) {
	c.key = key
	_ = c.batch.Delete(key, nil)
}

// DeleteRange stages the removal of all keys from start up to end, which is excluded.
func (c *Changes) DeleteRange(start, end []byte) { _ = c.batch.DeleteRange(start, end, nil) }

// merge stages a value to be merged with the stored one.
func (c *Changes) merge(key, value []byte) {
	c.key = key
	_ = c.batch.Merge(key, value, nil) // fails on a closed or indexed batch only
}

// SetApplied stages how far the log of a shard was applied.
func (c *Changes) SetApplied(shard int, a format.Applied) {
	c.value = a.Append(c.value[:0])
	c.Set(format.ShardKey(c.key[:0], shard), c.value)
}

// PinKey pins a key that no request has pinned.
func (c *Changes) PinKey(pair string) (*cache.Slot[format.Keyed], error) {
	s, err := c.cache.PinKey(pair)
	c.late = append(c.late, s)
	return s, err
}
