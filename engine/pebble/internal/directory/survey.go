// Package directory owns the files of a store that are not Pebble's: the mark, which
// names the format and the epoch, the anchor and the note, which record how far logs and
// manifest were synced, and the lock. Its survey compares them with Pebble's files before
// Pebble opens the store. The entry points are TakeSurvey and Keeper. The package knows
// neither channels nor users.
package directory

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/files"
)

// Damage is one fault of a store. It is an error that wraps engine.ErrDamaged.
type Damage struct {
	File    string `json:"file"` // without the directory; "": unknown
	Problem string `json:"problem"`
}

func (d *Damage) Error() string {
	if d.File == "" {
		return d.Problem
	}
	return d.File + ": " + d.Problem
}

// Unwrap implements the interface of package errors.
func (d *Damage) Unwrap() error { return engine.ErrDamaged }

// Survey is the state of a closed store's files, read without opening the store. Pebble
// itself assumes that a log or manifest ends where it is broken, and then removes files
// it does not know, so a store is surveyed before Pebble opens it.
type Survey struct {
	FS     vfs.FS
	dir    string
	names  []string
	Damage []*Damage

	mark     mark
	LostMark *Damage         // nil: the mark exists, or never existed
	anchor   *anchor         // nil: none
	Fresh    bool            // the store is empty
	number   uint64          // of the manifest
	manifest *files.Manifest // nil: it cannot be read completely
	logs     []uint64        // the logs still needed, in order
	sequence uint64          // Pebble's next sequence number
	begun    bool            // a write has been read from the logs
}

func (s *Survey) add(file, problem string, args ...any) {
	s.Damage = append(s.Damage, &Damage{File: file, Problem: fmt.Sprintf(problem, args...)})
}

// TakeSurvey checks everything but the contents of tables. Damage is recorded in the
// survey, not returned as an error.
func TakeSurvey(vs vfs.FS, dir string) (*Survey, error) {
	s := &Survey{FS: vs, dir: dir}
	var err error
	if s.names, err = vs.List(dir); err != nil {
		return nil, err
	}
	slices.Sort(s.names)
	if s.anchor, err = ReadAnchor(vs, dir); err != nil {
		if err := s.take(err); err != nil {
			return nil, err
		}
	}
	for _, step := range []func() error{s.readMark, s.findManifest, s.readManifest, s.readTables, s.readLogs, s.readOptions} {
		if err := s.take(step()); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// take records damage and returns any other error, which means that the disk could not
// be read.
func (s *Survey) take(err error) error {
	if d, ok := errors.AsType[*Damage](err); ok {
		s.Damage = append(s.Damage, d)
		return nil
	}
	return err
}

// Open opens a file of the store. A missing file is a *Damage.
func (s *Survey) Open(name string) (vfs.File, error) {
	f, err := s.FS.Open(s.FS.PathJoin(s.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &Damage{File: name, Problem: "is missing"}
	}
	return f, err
}

// readMark reads the mark. A lost mark can be restored as long as the anchor has the
// epoch.
func (s *Survey) readMark() error {
	m, err := readMark(s.FS, s.dir)
	d, unreadable := errors.AsType[*Damage](err)
	if err != nil && !unreadable {
		return err
	}
	s.mark = m
	switch {
	case unreadable && s.anchor == nil:
		return d
	case unreadable:
		s.LostMark = d
	case m.epoch == "" && s.anchor != nil:
		s.LostMark = &Damage{File: MarkName, Problem: "is missing"}
	case s.anchor != nil && s.anchor.epoch != m.epoch:
		s.add(MarkName, "has epoch %s, but %s has %s", m.epoch, AnchorNames[0], s.anchor.epoch)
	}
	return nil
}

// Epoch returns the epoch of the store, or "" when it is unknown.
func (s *Survey) Epoch() string {
	if s.mark.epoch == "" && s.anchor != nil {
		return s.anchor.epoch
	}
	return s.mark.epoch
}

// Refusal returns why the store must not be opened, or nil.
func (s *Survey) Refusal() error {
	if len(s.Damage) == 0 {
		return nil
	}
	more := ""
	if n := len(s.Damage) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Errorf("%w: %s %s%s; %s", engine.ErrDamaged, s.Damage[0].File, s.Damage[0].Problem, more, Advice(s.dir))
}

// Advice returns the commands that inspect and repair the store.
func Advice(dir string) string {
	return fmt.Sprintf("`wirepost check %s` lists what is missing, `wirepost salvage %s OUT` copies what can be read to a new store", dir, dir)
}

// SettleMark returns the epoch, and writes a mark of the present format if there is none.
func (s *Survey) SettleMark(log *slog.Logger) (epoch string, err error) {
	if s.Fresh && s.mark.epoch != "" {
		// The first start was interrupted, or everything else was deleted. In that case
		// clients hold sequences of deleted messages; a new epoch makes them start over.
		log.Warn("the store contains only its mark and starts over with a new epoch", "file", MarkName, "was", s.mark.epoch)
		epoch = rand.Text()
		return epoch, writeMark(s.FS, s.dir, epoch)
	}
	if s.mark.version == format {
		return s.mark.epoch, nil
	}
	epoch = s.Epoch()
	if s.LostMark != nil {
		log.Warn("a file of the store was lost and is restored", "file", MarkName, "problem", s.LostMark.Problem)
	}
	if epoch == "" {
		epoch = rand.Text()
	}
	return epoch, writeMark(s.FS, s.dir, epoch)
}

// has reports whether the name of any file matches.
func (s *Survey) has(match func(name string) bool) bool {
	return slices.ContainsFunc(s.names, match)
}

func (s *Survey) hasPrefix(prefix string) bool {
	return s.has(func(name string) bool { return strings.HasPrefix(name, prefix) })
}

const (
	manifestMarker = "manifest"
	formatMarker   = "format-version"
)

// findManifest reads the marker that names the manifest. A store with neither logs nor
// tables is fresh: its first start was interrupted.
func (s *Survey) findManifest() error {
	name, err := atomicfs.ReadMarker(s.FS, s.dir, manifestMarker)
	if err != nil {
		return &Damage{File: "marker.*", Problem: err.Error()}
	}
	if name == "" {
		s.Fresh = s.anchor == nil && !s.has(func(name string) bool { _, ok := LogNumber(name); return ok || disk.IsTable(name) })
		if !s.Fresh {
			s.add("marker.manifest.*", "is missing: it names the current manifest")
		}
		return nil
	}
	if s.anchor != nil && !s.hasPrefix("marker."+formatMarker+".") {
		s.add("marker.format-version.*", "is missing")
	}
	if _, err := fmt.Sscanf(name, ManifestPrefix+"%d", &s.number); err != nil {
		return &Damage{File: "marker.manifest.*", Problem: "names " + name + ", which is not a manifest"}
	}
	if s.anchor != nil && s.number < s.anchor.Manifest {
		s.add("marker.manifest.*", "names %s, but %s was in use", name, manifestName(s.anchor.Manifest))
	}
	return nil
}

func (s *Survey) readManifest() error {
	if s.number == 0 {
		return nil
	}
	name := manifestName(s.number)
	f, err := s.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	l := files.NewManifest(f)
	s.manifest, err = files.ReadManifest(l)
	valid := l.Valid()
	if broken, ok := errors.AsType[*files.BrokenError](err); ok {
		if l.Damaged(broken.Offset) {
			s.manifest = nil
			s.add(name, "is broken at byte %d, but has valid records after it", broken.Offset)
			return nil
		}
	} else if err != nil {
		return s.readError(name, err)
	}
	if a := s.anchor; a != nil && a.Manifest == s.number && valid < a.length {
		s.manifest = nil
		s.add(name, "is valid up to byte %d, but was written up to byte %d", valid, a.length)
	}
	return nil
}

// readError distinguishes a disk that cannot be read, whose error it returns, from
// unreadable contents, which are damage.
func (s *Survey) readError(name string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr
	}
	return &Damage{File: name, Problem: err.Error()}
}

// readTables checks that all tables exist and have their size.
func (s *Survey) readTables() error {
	if s.manifest == nil {
		return nil
	}
	for _, number := range sorted(s.manifest.Tables) {
		name := tableName(number)
		info, err := s.FS.Stat(s.FS.PathJoin(s.dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			s.add(name, "is missing")
		case err != nil:
			return err
		case info.Size() != s.manifest.Tables[number].Size:
			s.add(name, "has %d bytes, but %d were written", info.Size(), s.manifest.Tables[number].Size)
		}
	}
	return nil
}

// readLogs reads the logs that are still needed. All but the last were closed; the last
// may end in an incomplete write.
func (s *Survey) readLogs() error {
	if s.manifest == nil {
		return nil
	}
	for _, name := range s.names {
		if number, ok := LogNumber(name); ok && number >= s.manifest.Unflushed {
			s.logs = append(s.logs, number)
		}
	}
	slices.Sort(s.logs)
	if s.anchor != nil {
		for _, number := range sorted(s.anchor.logs) {
			if number >= s.manifest.Unflushed && !slices.Contains(s.logs, number) {
				s.add(logName(number), "is missing")
			}
		}
	}
	s.sequence = max(s.manifest.LastSequence+1, firstSequence)
	for i, number := range s.logs {
		if err := s.take(s.readLog(number, i == len(s.logs)-1)); err != nil {
			return err
		}
	}
	return nil
}

// firstSequence is Pebble's first sequence number in a new store.
const firstSequence = 10

func (s *Survey) readLog(number uint64, isLast bool) error {
	name := logName(number)
	f, err := s.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	l := files.NewLog(f, number)
	for {
		record, err := l.Next()
		if err == nil {
			if err := s.follow(name, record); err != nil {
				return err
			}
			continue
		}
		valid := l.Valid()
		broken, ok := errors.AsType[*files.BrokenError](err)
		synced := int64(0)
		if s.anchor != nil {
			synced = s.anchor.logs[number]
		}
		switch {
		case ok && l.Damaged(broken.Offset):
			return &Damage{File: name, Problem: fmt.Sprintf("is broken at byte %d, but was synced up to byte %d", broken.Offset, max(synced, l.Synced()))}
		case err != io.EOF && !ok:
			return s.readError(name, err)
		case valid < synced:
			return &Damage{File: name, Problem: fmt.Sprintf("is valid up to byte %d, but was synced up to byte %d", valid, synced)}
		case !isLast && !l.Closed():
			return &Damage{File: name, Problem: fmt.Sprintf("ends at byte %d without the end mark of a closed log", valid)}
		}
		return nil
	}
}

// follow checks that a batch directly follows the previous one: Pebble numbers writes
// across all logs. The first unflushed write may already be counted in the manifest.
func (s *Survey) follow(name string, record []byte) error {
	h, ok := batchrepr.ReadHeader(record)
	if !ok {
		return &Damage{File: name, Problem: "contains a record that is not a batch"}
	}
	if h.Count == 0 {
		return nil
	}
	seq := uint64(h.SeqNum)
	if seq > s.sequence || s.begun && seq != s.sequence {
		return &Damage{File: name, Problem: fmt.Sprintf("continues with write %d instead of %d: a log before it is missing", seq, s.sequence)}
	}
	s.sequence, s.begun = seq+uint64(h.Count), true
	return nil
}

// readOptions checks the newest of Pebble's OPTIONS files, which Pebble reads when it
// opens the store.
func (s *Survey) readOptions() error {
	newest := ""
	for _, name := range s.names {
		if strings.HasPrefix(name, "OPTIONS-") && len(name) >= len(newest) {
			newest = name
		}
	}
	if newest == "" {
		return nil
	}
	text, err := ReadFile(s.FS, s.FS.PathJoin(s.dir, newest), 1<<20)
	if err != nil {
		return err
	}
	o := &pdb.Options{FS: s.FS}
	o.EnsureDefaults()
	if err := o.CheckCompatibility(s.dir, string(text)); err != nil {
		s.add(newest, "cannot be read: %v", err)
	}
	return nil
}

func tableName(number uint64) string { return fmt.Sprintf("%06d.sst", number) }

func logName(number uint64) string { return fmt.Sprintf("%06d.log", number) }

func sorted[V any](m map[uint64]V) []uint64 { return slices.Sorted(maps.Keys(m)) }
