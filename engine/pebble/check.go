package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
	"github.com/wirepost/wirepost/engine/pebble/internal/files"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/engine/pebble/internal/stage"
)

// Check reads the whole store in a directory and reports damage and loss. It writes
// nothing. It returns an error if a process has the store open.
func Check(vs vfs.FS, dir string) (*Report, error) {
	var r *Report
	err := withClosed(vs, dir, func(s *directory.Survey) (err error) {
		r, err = check(s, nil)
		return err
	})
	return r, err
}

// Salvage writes a new store to an empty or new directory, with all data of a damaged
// store that can still be read, and reports damage and loss. If there is any, the new store
// has another epoch, so that clients do not rely on their stored sequences.
func Salvage(vs vfs.FS, dir, out string) (*Report, error) {
	var r *Report
	err := withClosed(vs, dir, func(s *directory.Survey) (err error) {
		r, err = salvage(s, out)
		return err
	})
	return r, err
}

// withClosed surveys a store that no process has open, and holds its lock meanwhile.
func withClosed(vs vfs.FS, dir string, do func(*directory.Survey) error) (err error) {
	names, err := vs.List(dir)
	if err != nil {
		return err
	}
	if slices.Contains(names, "LOCK") { // otherwise it was never opened
		lock, err := directory.LockDirectory(dir, vs)
		switch {
		case err == nil:
			defer func() { err = errors.Join(err, lock.Close()) }()
		case !errors.Is(err, syscall.EROFS): // a read-only volume has no writers
			return fmt.Errorf("store %s: %w: a server has to be stopped first", dir, err)
		}
	}
	if directory.Replacing(names) {
		return fmt.Errorf("store %s: a snapshot is being installed: the next start completes that", dir)
	}
	if !directory.IsStore(names) {
		return fmt.Errorf("%s is not a wirepost store", dir)
	}
	s, err := directory.TakeSurvey(vs, dir)
	if err != nil {
		return err
	}
	return do(s)
}

// check reads all keys and passes them to a sink, if any.
func check(s *directory.Survey, out sink) (*Report, error) {
	r := &Report{Epoch: s.Epoch(), Damage: append([]*Damage{}, s.Damage...), Lost: []Loss{}}
	if s.LostMark != nil {
		r.add(directory.MarkName, "%s; the next start restores it", s.LostMark.Problem)
	}
	if s.Fresh {
		return r, nil
	}
	m, err := files.Merge(s.Tables(), s.WantedLogs(), s.BrokenLog, s.Open, r.gap, format.Merge)
	if err != nil {
		return r, err
	}
	defer m.Close()
	err = newAudit(r, out).read(m)
	r.sort()
	return r, err
}

// salvage writes the new store.
func salvage(s *directory.Survey, out string) (r *Report, err error) {
	if err := s.FS.MkdirAll(out, 0o750); err != nil {
		return nil, err
	}
	if names, err := s.FS.List(out); err != nil || len(names) > 0 {
		return nil, errors.Join(err, fmt.Errorf("%s is not empty", out))
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	e, err := Open(out, Options{FS: s.FS, Logger: log, SweepEvery: 365 * 24 * time.Hour})
	if err != nil {
		return nil, err
	}
	w := &salvager{e: e}
	r, err = check(s, w)
	if err == nil {
		err = w.finish(r)
	}
	if e := e.Close(); err == nil {
		err = e
	}
	if err != nil || !r.OK() || r.Epoch == "" {
		return r, err
	}
	// Nothing is missing: clients may continue with their sequences.
	return r, directory.SetEpoch(s.FS, out, r.Epoch)
}

// salvager is the sink that writes a new store. It appends the records with their old
// sequences, which rebuilds all indexes.
type salvager struct {
	e       *Engine
	slot    *cache.Slot[cache.Channel]
	head    format.Head // as stored in the old store
	records []*engine.Record
	ends    []format.Span
	bytes   int
	pairs   [][2][]byte // users and remembered IDs
	timers  []engine.Timer
}

// The limits of one commit of the salvager.
const (
	salvageRecords = 1000
	salvageBytes   = 4 << 20
)

func (w *salvager) memo(key, value []byte) error { return w.pair(key, value) }

func (w *salvager) user(key, value []byte) error {
	if err := w.pair(key, value); err != nil {
		return err
	}
	name, rest, _ := strings.Cut(string(key[1:]), "\x00")
	if rest[0] == format.MarkPart {
		if m, err := format.DecodeMark(value); err == nil && m.Member {
			return w.pair(format.MemberKey(nil, rest[1:], name), nil)
		}
	}
	return nil
}

// pair stores a key unchanged.
func (w *salvager) pair(key, value []byte) error {
	w.pairs = append(w.pairs, [2][]byte{slices.Clone(key), slices.Clone(value)})
	if len(w.pairs) < salvageRecords {
		return nil
	}
	return w.flushPairs()
}

func (w *salvager) flushPairs() error {
	err := w.e.committer.Do(context.Background(), committer.Mode{}, nil, func(c *stage.Changes) error {
		for _, p := range w.pairs {
			c.Set(p[0], p[1])
		}
		return nil
	})
	w.pairs = w.pairs[:0]
	return err
}

// begin prepares a channel, whose head starts where the old log started.
func (w *salvager) begin(name string, h format.Head) (err error) {
	if w.slot != nil {
		return nil
	}
	w.head = h
	if w.slot, err = w.e.pinChannel(context.Background(), name); err != nil {
		return err
	}
	return w.e.committer.Do(context.Background(), committer.Mode{}, w.slot, func(c *stage.Changes) error {
		s := c.Touch(w.slot)
		s.Head = format.Head{Seq: h.Floor, Floor: h.Floor, Purged: h.Floor, Lost: h.Lost, Time: h.Time, Old: true}
		s.Dirty = h.Seq > 0
		return nil
	})
}

func (w *salvager) record(name string, h format.Head, seq uint64, value []byte) error {
	if err := w.begin(name, h); err != nil {
		return err
	}
	g, err := format.GlanceAt(seq, value)
	if err != nil {
		return err
	}
	r, err := g.Record(seq)
	if err != nil {
		return err
	}
	w.records, w.ends, w.bytes = append(w.records, r), append(w.ends, g.Span), w.bytes+len(value)
	if len(w.records) < salvageRecords && w.bytes < salvageBytes {
		return nil
	}
	return w.flushRecords()
}

func (w *salvager) flushRecords() error {
	err := w.e.committer.Do(context.Background(), committer.Mode{}, w.slot, func(c *stage.Changes) error {
		s := c.Touch(w.slot)
		for i, r := range w.records {
			s.Head.Seq = r.Seq - 1 // over a hole, if there is one
			if r.Key != "" {
				s.Head.Keyed, s.Dirty = true, true
				k, err := c.PinKey(format.PairName(w.slot.Name, r.Key))
				if err != nil {
					return err
				}
				c.SetKeyed(k, format.Keyed{Seq: r.Seq, Span: w.ends[i]})
			}
			c.Add(w.slot, r, w.ends[i])
		}
		s.Dirty = true
		return nil
	})
	w.records, w.ends, w.bytes = w.records[:0], w.ends[:0], 0
	return err
}

// endChannel sets the head to the old one. A reader whose cursor is before lost messages is
// notified of the loss.
func (w *salvager) endChannel(name string, h format.Head, lost uint64) error {
	if err := w.begin(name, h); err != nil {
		return err
	}
	if err := w.flushRecords(); err != nil {
		return err
	}
	err := w.e.committer.Do(context.Background(), committer.Mode{}, w.slot, func(c *stage.Changes) error {
		s := c.Touch(w.slot)
		s.Head.Seq, s.Head.Time = max(s.Head.Seq, h.Seq), max(s.Head.Time, h.Time)
		s.Head.Lost, s.Dirty = max(s.Head.Lost, h.Lost, lost), true
		return nil
	})
	w.e.cache.UnpinChannel(w.slot)
	w.slot = nil
	return err
}

// finish makes sure that no sequence that was used before is assigned again, and that the
// ID of no lost message is remembered.
func (w *salvager) finish(r *Report) error {
	if err := errors.Join(w.flushPairs(), w.flushTimers()); err != nil {
		return err
	}
	lost := make(map[string]Loss)
	for _, l := range r.Lost {
		lost[l.Channel] = l
		if err := w.raise(l); err != nil {
			return err
		}
	}
	var gone [][]byte
	err := format.ScanPrefix(context.Background(), w.e.db, []byte{format.MemoPrefix}, []byte{format.MemoPrefix}, func(key, value []byte) error {
		m, err := format.DecodeMemo(value)
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(string(key[5:]), "\x00")
		if l, ok := lost[name]; !ok || m.Seq < l.From || m.Seq > l.To {
			return nil
		}
		there, err := format.Get(w.e.db, format.RecordKey(nil, name, m.Seq), format.Ignore)
		if err == nil && !there {
			gone = append(gone, slices.Clone(key))
		}
		return err
	})
	if err != nil {
		return err
	}
	return w.e.committer.Do(context.Background(), committer.Mode{Sync: true}, nil, func(c *stage.Changes) error {
		for _, key := range gone {
			c.Delete(key)
		}
		return nil
	})
}

// raise moves a head over messages lost at its end.
func (w *salvager) raise(l Loss) error {
	s, err := w.e.pinChannel(context.Background(), l.Channel)
	if err != nil {
		return err
	}
	defer w.e.cache.UnpinChannel(s)
	return w.e.committer.Do(context.Background(), committer.Mode{}, s, func(c *stage.Changes) error {
		h := &c.Touch(s).Head
		if l.To > h.Seq {
			h.Seq, h.Lost, h.Old = l.To, l.To, true
			c.Touch(s).Dirty = true
		}
		return nil
	})
}
