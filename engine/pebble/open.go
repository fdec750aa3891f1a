package pebble

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"syscall"
	"time"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/wirepost/wirepost/engine/pebble/internal/cache"
	"github.com/wirepost/wirepost/engine/pebble/internal/committer"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
	"github.com/wirepost/wirepost/engine/pebble/internal/disk"
	"github.com/wirepost/wirepost/engine/pebble/internal/format"
	"github.com/wirepost/wirepost/internal/clock"
)

// Options configures an Engine. The zero value works.
type Options struct {
	FS     vfs.FS       // nil: the disk
	Logger *slog.Logger // nil: slog.Default()
	// Now and Elapsed are the clocks of the system: the wall clock, which may jump, and
	// the time since some moment, which does not. nil: the system's, or Elapsed as Now
	// has it.
	Now     func() time.Time
	Elapsed func() time.Duration

	// An engine takes at most CacheBytes, three times MemTableBytes, about 96 bytes for
	// each of Channels, IDBytes, and under load half as much again for Go's collector. It
	// grows to that over hours, since nothing is dropped while there is room.

	// CacheBytes is for blocks read; 0: 64 MiB. What the memtables leave of their
	// share is used for blocks, too.
	CacheBytes int64
	// MemTableBytes is the size of one memtable. Up to three of them are in memory
	// under load, and their logs on the disk. It is at most 1/32 of the volume.
	// 0: 32 MiB.
	MemTableBytes int
	// MinFree is how many bytes must be free on the disk for a write to be accepted.
	// 0: 64 MiB, on a volume of less than 1 GiB 1/16 of it, and four memtables.
	MinFree uint64
	// Channels is how many idle channels stay in memory, at 40 bytes and the name each,
	// and more for a channel of which single messages were removed. An append to any
	// other channel reads the store first. 0: 1 000 000.
	Channels int
	// IDBytes is for knowing which of the IDs that pushes choose are new: 2.5 bytes for
	// each one of two days. Of others, an append reads the store first. 0: 10 MiB.
	IDBytes int64
	// SweepEvery is how often expired records are removed from the disk. Readers do not
	// see them after their expiry in any case. 0: 5 s.
	SweepEvery time.Duration
	// MaxOpenFiles is how many files the store has open, about; 0: 1000.
	MaxOpenFiles int
	// SyncInterval is the least time from one sync of the disk for appends to the next.
	// Appends meanwhile wait and share the next one, which costs less and takes longer.
	// At most a second; 0: none, an append is synced as soon as the one before it is.
	SyncInterval time.Duration
	positions    *positions // see OpenReplica

	// StallAfter is how long a commit may take. If it takes longer, because the disk hangs
	// or Pebble has too much to compact, waiting and later writes fail with
	// engine.ErrStalled until it is done. 0: 10 s.
	StallAfter time.Duration
}

func (o *Options) complete() {
	orInt := func(v *int, zero int) {
		if *v <= 0 {
			*v = zero
		}
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 64 << 20
	}
	orInt(&o.MemTableBytes, 32<<20)
	orInt(&o.Channels, 1_000_000)
	if o.IDBytes <= 0 {
		o.IDBytes = 10 << 20
	}
	if o.SweepEvery <= 0 {
		o.SweepEvery = 5 * time.Second
	}
	orInt(&o.MaxOpenFiles, 1000)
	o.SyncInterval = min(max(o.SyncInterval, 0), time.Second)
	if o.StallAfter <= 0 {
		o.StallAfter = stallAfter
	}
}

// stallAfter is the default of Options.StallAfter; tests change it.
var stallAfter = 10 * time.Second

// Open opens the store in a directory, which it creates if necessary. It refuses a
// directory with other files, and a store that another process has open.
func Open(dir string, o Options) (*Engine, error) {
	o.complete()
	e, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	return e, nil
}

func open(dir string, o Options) (*Engine, error) {
	if err := o.FS.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	if err := directory.CheckForeign(o.FS, dir); err != nil {
		return nil, err
	}
	if err := o.fit(dir); err != nil {
		return nil, err
	}
	lock, err := directory.LockDirectory(dir, o.FS)
	if err != nil {
		return nil, err
	}
	e, err := openLocked(dir, lock, o)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return e, nil
}

func openLocked(dir string, lock *pdb.Lock, o Options) (*Engine, error) {
	if err := directory.Settle(o.FS, dir); err != nil {
		return nil, err
	}
	s, err := directory.TakeSurvey(o.FS, dir)
	if err != nil {
		return nil, err
	}
	if err := s.Refusal(); err != nil {
		return nil, err
	}
	epoch, err := s.SettleMark(o.Logger)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		lock: lock, log: o.Logger, epoch: epoch, fault: disk.NewFault(o.Logger),
		patience: disk.NewPatience(o.Logger),
		fs:       o.FS, dir: dir, positions: o.positions,
		background:  disk.NewBackground(o.Logger, disk.Words{Key: describeKey, Advice: directory.Advice}),
		stopSweeper: make(chan struct{}), swept: make(chan struct{}),
	}
	e.keeper = directory.NewKeeper(s, epoch, o.Logger, func() bool { return e.fault.Cause() != nil })
	e.space = disk.NewSpace(o.FS, dir, o.MinFree, e.background, o.Logger)
	if err := e.openDB(s.Fresh, o); err != nil {
		return nil, err
	}
	if err := e.load(o); err != nil {
		return nil, errors.Join(unopened(dir, err), e.closeDB())
	}
	e.start(o)
	if e.positions != nil {
		close(e.swept) // the log says when to sweep
		return e, nil
	}
	if err := e.leaveLog(); err != nil {
		close(e.swept)
		return nil, errors.Join(unopened(dir, err), e.Close())
	}
	go e.sweeps(o.SweepEvery)
	return e, nil
}

// openDB opens the database, which it makes for a new store.
func (e *Engine) openDB(fresh bool, o Options) (err error) {
	if fresh {
		// The first log of a new store does not say yet how far it was synced.
		err = create(e.dir, e.tune(o))
	}
	if err == nil && e.fault.Get() == nil {
		e.db, err = openStore(e.dir, e.tune(o))
	}
	if failed := e.fault.Cause(); failed != nil {
		if e.db != nil {
			e.closeDB() //nolint:errcheck // nothing was written
		}
		return failed // later writes were discarded, which may look like damage
	}
	if err != nil {
		return unopened(e.dir, err)
	}
	return nil
}

// load reads what the engine must know before it starts: its positions in logs, and the time.
func (e *Engine) load(o Options) error {
	if e.positions != nil {
		if err := e.positions.load(e.db); err != nil {
			return err
		}
	}
	last, err := e.lastTime()
	if err != nil {
		return err
	}
	e.clock = clock.New(clock.Source{Wall: o.Now, Elapsed: o.Elapsed}, last, o.Logger)
	return nil
}

// start starts the goroutines, except for the sweeper.
func (e *Engine) start(o Options) {
	e.patience.Opened.Store(true)
	go e.schedule.Run()
	e.keeper.Start()
	e.cache = cache.New(e.db, o.Channels, e.timeOf)
	if e.positions == nil {
		e.cache.RememberIDs(o.IDBytes)
	}
	e.committer = committer.Start(committer.Config{
		DB: e.db, Cache: e.cache, Space: e.space, Background: e.background, Fault: e.fault,
		Log: o.Logger, Now: e.nowMilli,
		MaxQueued: min(maxQueued, o.MemTableBytes), SyncInterval: o.SyncInterval, StallAfter: o.StallAfter,
		Replica: e.positions != nil,
	})
}

// maxQueued is the largest number of bytes that wait for the committer, or the size of a
// memtable if that is smaller.
const maxQueued = 8 << 20

// create makes a new store and closes it.
func create(dir string, o *pdb.Options) error {
	db, err := openStore(dir, o)
	if err != nil {
		return err
	}
	return db.Close()
}

// openStore makes an error of whatever Pebble makes of a damaged directory.
func openStore(dir string, o *pdb.Options) (db *pdb.DB, err error) {
	defer o.Cache.Unref()
	defer o.FileCache.Unref()
	defer func() {
		p := recover()
		if failed, _ := p.(error); errors.As(failed, new(syscall.Errno)) {
			err = failed // the system's word for it: no space, no descriptor
		} else if p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	db, err = pdb.Open(dir, o)
	return db, err
}

// otherFiles is how many files besides tables are open: logs, the manifest, marks, the
// note and directories.
const otherFiles = 13

func (e *Engine) tune(o Options) *pdb.Options {
	watched := disk.NewFreezing(disk.NewAhead(disk.NewTimed(e.keeper.Recording(), &e.syncs)), e.fault, e.patience, e.background)
	p := &pdb.Options{
		FS:            disk.NewApart(watched, o.FS, o.FS.PathJoin(e.dir, directory.SnapshotName)),
		Lock:          e.lock,
		Logger:        disk.NewLogger(o.Logger, e.fault),
		Merger:        format.Merger,
		EventListener: e.background.Listener(),
		// Pebble takes the memtables out of the cache.
		Cache:                       pdb.NewCache(o.CacheBytes + 3*int64(o.MemTableBytes)),
		FormatMajorVersion:          pdb.FormatNewest,
		MemTableSize:                uint64(o.MemTableBytes),
		MemTableStopWritesThreshold: 4,
		// Appends to many channels overlap everywhere. To let more of them gather
		// before they are merged costs a reader a few more lookups, and halves the
		// merging (BenchmarkChannels).
		L0CompactionThreshold: 12,
		L0StopWritesThreshold: committer.DamagedSublevels,
		LBaseMaxBytes:         int64(2 * o.MemTableBytes),
		// Pebble's own has room for at least 64 tables.
		FileCache: pdb.NewFileCache(runtime.GOMAXPROCS(0), max(o.MaxOpenFiles-otherFiles, 1)),
	}
	for i := range p.Levels {
		l := &p.Levels[i]
		l.BlockSize = 16 << 10
		l.FilterPolicy = bloom.FilterPolicy(10) // most heads, keys and IDs asked for are not there
		l.Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	p.EventListener.ManifestCreated = e.keeper.ManifestCreated
	p.CompactionConcurrencyRange = e.background.Concurrency
	p.Experimental.L0CompactionConcurrency = 2
	e.schedule = disk.NewSchedule(&e.patience.Opened)
	p.Experimental.CompactionScheduler = e.schedule
	return p
}
