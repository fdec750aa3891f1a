package directory

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"strconv"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// note is a small file that records how far the last log was synced. It is overwritten
// after each sync, before anything is acknowledged, and is not synced itself: it is
// exact after the process is killed, and may lag after a power cut, when only the anchor
// is left.
type note struct {
	mu   sync.Mutex
	file vfs.File // nil: not writable
	text []byte
	log  *slog.Logger
}

const (
	noteName = "ANCHOR-LOG"
	noteForm = "log %d %d sum %08x\n"
)

// openNote opens the file for writing, and creates it if there is none. A store works
// without it, but damage to the latest writes may go unnoticed.
func openNote(vs vfs.FS, dir string, log *slog.Logger) *note {
	n := &note{log: log}
	path := vs.PathJoin(dir, noteName)
	if _, err := vs.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := CreateSynced(vs, dir, noteName, []byte("\n")); err != nil {
			n.failed(err)
			return n
		}
	}
	file, err := vs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		n.failed(err)
		return n
	}
	n.file = file
	return n
}

func (n *note) failed(err error) {
	n.log.Warn("cannot write "+noteName+": damage to the latest writes may go unnoticed", "error", err)
}

func (n *note) write(number uint64, length int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file == nil {
		return
	}
	n.text = appendNote(n.text[:0], number, length)
	if _, err := n.file.WriteAt(n.text, 0); err != nil {
		n.failed(err)
		n.closeLocked()
	}
}

func (n *note) close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closeLocked()
}

func (n *note) closeLocked() {
	if n.file != nil {
		n.file.Close() //nolint:errcheck // it need not be durable
		n.file = nil
	}
}

// appendNote does not use package fmt, which would allocate.
func appendNote(b []byte, number uint64, length int64) []byte {
	b = append(b, "log "...)
	b = strconv.AppendUint(b, number, 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, length, 10)
	sum := crc32.ChecksumIEEE(b)
	b = append(b, " sum "...)
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, "0123456789abcdef"[sum>>shift&15])
	}
	return append(b, '\n')
}

// readNote returns the log in the note and how far it was synced; 0 when the file is
// missing or was only partly written. Anything after the first line is left over from a
// longer note.
func readNote(vs vfs.FS, dir string) (number uint64, length int64, err error) {
	text, err := ReadFile(vs, vs.PathJoin(dir, noteName), 256)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	text, _, _ = bytes.Cut(text, []byte("\n"))
	text = append(text, '\n')
	var sum uint32
	if _, err := fmt.Sscanf(string(text), noteForm, &number, &length, &sum); err != nil ||
		!bytes.Equal(text, appendNote(nil, number, length)) {
		return 0, 0, nil
	}
	return number, length, nil
}
