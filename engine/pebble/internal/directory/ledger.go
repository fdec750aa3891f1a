package directory

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"
)

// ledger tracks how far Pebble's logs and manifest have been synced, for the anchor.
type ledger struct {
	// logSynced is called when more of a log has been synced, before anything in it is
	// acknowledged. It is nil until the store is open.
	logSynced func(log uint64, before, length int64)

	mu       sync.Mutex
	manifest uint64             // the current manifest
	files    map[string]*synced // by name
}

func newLedger(manifest uint64) *ledger {
	return &ledger{manifest: manifest, files: make(map[string]*synced)}
}

// synced is an open log or manifest. Pebble writes and syncs each in one goroutine.
type synced struct {
	vfs.File
	ledger  *ledger
	log     uint64 // the log's number; 0: a manifest
	written int64
	length  atomic.Int64 // synced bytes
}

func (s *synced) Write(p []byte) (int, error) {
	n, err := s.File.Write(p)
	s.written += int64(n)
	return n, err
}

func (s *synced) Sync() error { return s.sync(s.File.Sync) }

func (s *synced) SyncData() error { return s.sync(s.File.SyncData) }

func (s *synced) sync(do func() error) error {
	length := s.written
	if err := do(); err != nil {
		return err
	}
	if before := s.length.Swap(length); s.log != 0 && length > before && s.ledger.logSynced != nil {
		s.ledger.logSynced(s.log, before, length)
	}
	return nil
}

// recording is a file system that maintains a ledger. It lies below freezing, so that it
// sees the disk's real results.
type recording struct {
	vfs.FS
	ledger *ledger
}

func (r recording) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := r.FS.Create(name, c)
	return r.ledger.add(r.PathBase(name), f, err)
}

func (r recording) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	r.ledger.remove(r.PathBase(old))
	f, err := r.FS.ReuseForWrite(old, name, c)
	return r.ledger.add(r.PathBase(name), f, err)
}

func (r recording) Remove(name string) error {
	r.ledger.remove(r.PathBase(name))
	return r.FS.Remove(name)
}

func (r recording) Unwrap() vfs.FS { return r.FS }

func (l *ledger) add(name string, f vfs.File, err error) (vfs.File, error) {
	number, isLog := LogNumber(name)
	if err != nil || !isLog && !strings.HasPrefix(name, ManifestPrefix) {
		return f, err
	}
	s := &synced{File: f, ledger: l, log: number}
	l.mu.Lock()
	l.files[name] = s
	l.mu.Unlock()
	return s, nil
}

func (l *ledger) remove(name string) {
	l.mu.Lock()
	delete(l.files, name)
	l.mu.Unlock()
}

// manifestCreated is called when a new manifest is on the disk and has become the
// current one.
func (l *ledger) manifestCreated(i pdb.ManifestCreateInfo) {
	if i.Err != nil {
		return
	}
	l.mu.Lock()
	l.manifest = uint64(i.FileNum)
	l.mu.Unlock()
}

// anchor returns the present state of the ledger. Nothing is known to be synced in files
// that Pebble has not opened for writing.
func (l *ledger) anchor(epoch string) *anchor {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &anchor{epoch: epoch, Manifest: l.manifest, logs: make(map[uint64]int64)}
	for name, s := range l.files {
		length := s.length.Load()
		if number, ok := LogNumber(name); ok && length > 0 {
			a.logs[number] = length
		} else if name == manifestName(l.manifest) {
			a.length = length
		}
	}
	return a
}

const ManifestPrefix = "MANIFEST-"

func manifestName(number uint64) string { return fmt.Sprintf(ManifestPrefix+"%06d", number) }

// LogNumber returns the number of a log by its file name.
func LogNumber(name string) (uint64, bool) {
	number, _, ok := wal.ParseLogFilename(name)
	return uint64(number), ok
}
