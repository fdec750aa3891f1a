package pebble

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	pdb "github.com/cockroachdb/pebble/v2"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// manyEnded is the largest number of expired, not yet swept records that one count reads.
// If there are more, it sweeps the channel first, so that each of them is read once instead
// of by every count until the sweeper's next visit.
const manyEnded = 256

// Count implements engine.Log. The head says how many sequences there are, and holes
// how many of them are not messages; only records that expired since the last sweep are
// read.
func (e *Engine) Count(ctx context.Context, name string, after uint64) (n int, err error) {
	err = e.tally(ctx, name, func(s *cache.Slot[cache.Channel], most int) (ended int, err error) {
		n, ended, err = e.count(ctx, s, after, most)
		return ended, err
	})
	return n, err
}

// Bounds implements engine.Log.
func (e *Engine) Bounds(ctx context.Context, name string) (b engine.Bounds, err error) {
	err = e.tally(ctx, name, func(s *cache.Slot[cache.Channel], most int) (ended int, err error) {
		b, ended, err = e.bounds(ctx, s, most)
		return ended, err
	})
	return b, err
}

// tally calls look for a channel. If look reads more expired records than allowed, the
// channel is swept and look is called again, without a limit. The sweep may fail, because
// nothing can be written, and a replica is only swept by its log.
func (e *Engine) tally(ctx context.Context, name string, look func(s *cache.Slot[cache.Channel], most int) (ended int, err error)) error {
	if err := e.enter(ctx); err != nil {
		return err
	}
	defer e.leave()
	s, err := e.pinChannel(ctx, name)
	if err != nil {
		return err
	}
	defer e.cache.UnpinChannel(s)
	ended, err := look(s, manyEnded)
	if err == nil && ended > manyEnded {
		if e.positions == nil {
			_ = e.sweepPinned(ctx, s, 0)
		}
		_, err = look(s, math.MaxInt)
	}
	if err != nil {
		return fmt.Errorf("count %q: %w", name, err)
	}
	return nil
}

// raced is how often a count is repeated because the channel was swept or purged during
// it.
const raced = 8

// count returns the number of live messages after a sequence, unless it reads more than
// most expired records.
//
// It reads expired records first, and then the head and the holes, at one moment. A record
// removed in between is counted in both, which the number of sweeps reveals.
func (e *Engine) count(ctx context.Context, s *cache.Slot[cache.Channel], after uint64, most int) (n, ended int, err error) {
	clock := e.timeOf(s.Name)
	for try := range raced {
		h, sweeps := e.settled(ctx, s)
		if after >= h.Seq {
			return 0, 0, nil
		}
		front, err := e.front(ctx, s.Name, h, max(after, h.Floor), clock, most)
		if err != nil || front.ended > most {
			return 0, front.ended, err
		}
		it, err := e.endedIter(s.Name, h, clock)
		if err != nil {
			return 0, 0, err
		}
		at := e.standing(s, front.from)
		if it != nil && at.sweeps != sweeps && try < raced-1 {
			_ = it.Close()
			continue
		}
		ended, err = at.countEnded(it, most)
		if err != nil || ended > most {
			return 0, ended, err
		}
		dead, found, err := e.holesAfter(s.Name, at)
		if err != nil || found {
			return max(0, int(at.head.Seq-at.from-dead)-ended), front.ended + ended, err
		}
	}
	return 0, 0, ErrDamaged
}

// settled returns the head of a channel while it is not being swept, and the number of its
// sweeps.
func (e *Engine) settled(ctx context.Context, s *cache.Slot[cache.Channel]) (h format.Head, sweeps uint32) {
	e.cache.Lock()
	sweeping := s.V.Sweeping
	h, sweeps = s.V.Head, s.V.Sweeps
	e.cache.Unlock()
	if !sweeping {
		return h, sweeps
	}
	_ = e.committer.Do(ctx, committer.Mode{Frees: true}, nil, func(*stage.Changes) error { return nil }) // when this returns, the sweep is published
	e.cache.Lock()
	defer e.cache.Unlock()
	return s.V.Head, s.V.Sweeps
}

// standing is the published state of a channel at one moment, for counting the messages
// after a sequence.
type standing struct {
	head   format.Head
	from   uint64 // messages after this sequence are counted
	in     int    // number of holes in from's block
	after  uint64 // number of holes in all later blocks
	list   []byte // the holes in from's block, if they are not stored yet
	sweeps uint32 // number of sweeps, including a running one
}

func (e *Engine) standing(s *cache.Slot[cache.Channel], from uint64) standing {
	e.cache.Lock()
	defer e.cache.Unlock()
	at := standing{head: s.V.Head, from: max(from, s.V.Head.Floor), sweeps: s.V.Sweeps}
	if s.V.Sweeping {
		at.sweeps++
	}
	if h := s.V.Holes; h != nil {
		block := format.BlockOf(at.from)
		at.in, at.after, at.list = h.In(block), h.After(block), h.Unstored[block]
	}
	return at
}

// holesAfter returns the number of holes after at.from. The list in the store may have
// grown in the meantime, but starts with the published holes. It is not found if it was
// purged, or if its block now consists of holes only.
func (e *Engine) holesAfter(name string, at standing) (n uint64, found bool, err error) {
	last := byte(at.from)
	switch {
	case at.in == 0 || last == format.BlockSize-1:
		return at.after, true, nil
	case at.in == format.BlockSize:
		return at.after + uint64(format.BlockSize-1-last), true, nil
	}
	list := at.list
	if list == nil {
		if list, err = e.holesIn(name, format.BlockOf(at.from)); err != nil || len(list) < at.in {
			return 0, false, err
		}
	}
	n = at.after
	for _, seq := range list[:at.in] {
		if seq > last {
			n++
		}
	}
	return n, true, nil
}

// holesIn returns the stored list of the holes in a block.
func (e *Engine) holesIn(name string, block uint64) (list []byte, err error) {
	_, err = format.Get(e.db, format.HolesKey(nil, name, block), func(value []byte) error {
		list = append(list, value...)
		return nil
	})
	return list, err
}

// front describes the start of a log after a sequence.
type front struct {
	from    uint64 // all records up to it have expired
	ended   int    // number of those records
	lost    uint64 // the last of them that exceeded its maximum age
	seq     uint64 // the first record that has not expired; 0: none
	message bool   // whether seq is a message
}

// front finds the first record after a sequence that has not expired, and stops after
// more than most expired ones. Maximum ages are exceeded in the order of the log, so every
// expired record without an entry in the expiry index is before that record.
func (e *Engine) front(ctx context.Context, name string, h format.Head, after uint64, clock int64, most int) (f front, err error) {
	f.from = after
	if h.Sweep == 0 { // no record expires
		return f, nil
	}
	err = format.Scan(ctx, e.db, name, after, h.Seq, func(seq uint64, g *format.Glance) (bool, error) {
		gone, loss := g.Ended(clock)
		if !gone {
			f.seq, f.message = seq, g.Revokes == 0
			return false, nil
		}
		f.from = seq
		if loss {
			f.lost = seq
		}
		f.ended++
		return f.ended <= most, nil
	})
	return f, err
}

// endedIter iterates over the records with an index entry that have expired; nil if there
// are none.
func (e *Engine) endedIter(name string, h format.Head, clock int64) (*pdb.Iterator, error) {
	if h.Ends == 0 || h.Ends > clock {
		return nil, nil
	}
	return e.db.NewIter(&pdb.IterOptions{
		LowerBound: format.EndKey(nil, name, h.Ends, 0),
		UpperBound: format.EndKey(nil, name, clock+1, 0),
	})
}

// countEnded returns how many messages after at.from have expired and are not holes yet.
// It stops after more than most.
func (at *standing) countEnded(it *pdb.Iterator, most int) (n int, err error) {
	if it == nil {
		return 0, nil
	}
	for ok := it.First(); ok && n <= most; ok = it.Next() {
		seq := binary.BigEndian.Uint64(it.Key()[len(it.Key())-8:])
		value, err := it.ValueAndErr()
		if err != nil {
			break // Close reports the error
		}
		if seq > at.from && seq <= at.head.Seq && len(value) > 0 && value[0]&format.EndsRevocation == 0 {
			n++
		}
	}
	return n, it.Close()
}

// bounds returns the bounds of a channel, unless it reads more than most expired records.
func (e *Engine) bounds(ctx context.Context, s *cache.Slot[cache.Channel], most int) (b engine.Bounds, ended int, err error) {
	clock := e.timeOf(s.Name)
	h := e.cache.HeadOf(s)
	f, err := e.front(ctx, s.Name, h, h.Floor, clock, most)
	if err != nil || f.ended > most {
		return b, f.ended, err
	}
	now := e.cache.HeadOf(s)
	b.Head, b.Lost = h.Seq, max(now.Lost, f.lost)
	if f.message && f.seq > now.Floor {
		b.Oldest = f.seq
		return b, f.ended, nil
	}
	if now.Live > 0 {
		b.Oldest, ended, err = e.oldest(ctx, s, max(f.from, now.Floor), h.Seq, clock, most)
	}
	return b, f.ended + ended, err
}

// oldest returns the first live message after one sequence and up to another, or 0.
func (e *Engine) oldest(ctx context.Context, s *cache.Slot[cache.Channel], after, through uint64, clock int64, most int) (seq uint64, ended int, err error) {
	for seq = after; ended <= most; ended++ {
		if ctx.Err() != nil {
			return 0, ended, context.Cause(ctx)
		}
		if seq, err = e.nextMessage(s, seq); err != nil || seq == 0 || seq > through {
			return 0, ended, err
		}
		var gone bool
		found, err := format.Get(e.db, format.RecordKey(nil, s.Name, seq), func(value []byte) error {
			g, err := format.GlanceAt(seq, value)
			gone, _ = g.Ended(clock)
			return err
		})
		if err != nil || found && !gone {
			return seq, ended, err
		}
	}
	return 0, ended, nil
}

// nextMessage returns the first sequence after one that is not a hole; 0 if there is none.
func (e *Engine) nextMessage(s *cache.Slot[cache.Channel], after uint64) (uint64, error) {
	for {
		e.cache.Lock()
		h := s.V.Holes
		block := h.Open(format.BlockOf(after + 1))
		in, head := h.In(block), s.V.Head.Seq
		var list []byte
		if h != nil {
			list = h.Unstored[block]
		}
		e.cache.Unlock()

		seq := max(after+1, block<<format.BlockBits)
		if seq > head {
			return 0, nil
		}
		if in == 0 {
			return seq, nil
		}
		if list == nil {
			var err error
			if list, err = e.holesIn(s.Name, block); err != nil {
				return 0, err
			}
		}
		var dead [format.BlockSize]bool
		for _, seq := range list {
			dead[seq] = true
		}
		for ; format.BlockOf(seq) == block; seq++ {
			if !dead[byte(seq)] && len(list) > 0 {
				return seq, nil
			}
		}
		after = seq - 1
	}
}
