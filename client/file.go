package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// The file begins with a line that says what it is, and holds a bookmark. After that
// comes a line for each cursor that has moved since:
//
//	{"wirepost":"bookmark","version":1,"user":"42","device":"…","epoch":"…","cursors":{"user:42":17}}
//	18 "user:42" 5c6a17b2
//
// The last word is the CRC-32 (IEEE) of the line before it. A line that was cut short,
// by a power failure or a full disk, is ignored: its message comes once more. The first
// line is written to a new file, which is synced and renamed, so it is complete or
// absent.

const (
	fileKind    = "bookmark"
	fileVersion = 1
	// maxTail is how much is appended before the file is rewritten, in bytes.
	maxTail = 256 << 10
	// maxFile bounds what is read, in bytes.
	maxFile = 64 << 20
)

type fileHead struct {
	Wirepost string            `json:"wirepost"`
	Version  int               `json:"version"`
	User     string            `json:"user"`
	Device   string            `json:"device"`
	Epoch    string            `json:"epoch"`
	Cursors  map[string]uint64 `json:"cursors"`
}

// fileStore is a Store in a file.
type fileStore struct {
	path string

	mu     sync.Mutex // held during disk operations: nothing else waits for it
	file   *os.File   // nil until something is kept, and when closed
	kept   Bookmark
	tail   int // bytes appended
	closed bool
}

// OpenFile keeps a client's bookmark in a file, which need not exist yet. The file is
// for one client at a time. A cursor that moved is written before the next message is
// handled, so it survives the end of the process; a power failure may lose the last
// ones, and then a few messages come once more. A file of another program is an error,
// and is not changed.
func OpenFile(path string) (Store, error) {
	s := &fileStore{path: path, kept: Bookmark{}.clone()}
	text, err := readFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return s, nil
	case err != nil:
		return nil, err
	case len(text) == 0:
		return s, nil // made in advance, perhaps by mktemp
	}
	if err := s.parse(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: a bookmark of a client is not that large; remove it to begin anew", path)
	}
	return string(text), err
}

func (s *fileStore) parse(text string) error {
	first, rest, _ := strings.Cut(text, "\n")
	var head fileHead
	err := json.Unmarshal([]byte(first), &head)
	switch {
	case err != nil || head.Wirepost != fileKind:
		return errors.New("it is not a bookmark of a client: choose another file, or remove it to begin anew")
	case head.Version != fileVersion:
		return fmt.Errorf("a bookmark of version %d, this program knows version %d", head.Version, fileVersion)
	}
	s.kept = Bookmark{User: head.User, Device: head.Device, Epoch: head.Epoch, Cursors: head.Cursors}.clone()
	for line := range strings.Lines(rest) {
		if channel, seq, ok := parseCursor(line); ok {
			s.kept.Cursors[channel] = max(s.kept.Cursors[channel], seq)
		}
	}
	return nil
}

func appendCursor(dst []byte, channel string, seq uint64) []byte {
	begin := len(dst)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = append(dst, ' ')
	dst = strconv.AppendQuote(dst, channel)
	return fmt.Appendf(dst, " %08x\n", crc32.ChecksumIEEE(dst[begin:]))
}

func parseCursor(line string) (channel string, seq uint64, ok bool) {
	line, ended := strings.CutSuffix(line, "\n")
	at := strings.LastIndexByte(line, ' ')
	if !ended || at < 0 || fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(line[:at]))) != line[at+1:] {
		return "", 0, false
	}
	number, quoted, _ := strings.Cut(line[:at], " ")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return "", 0, false
	}
	channel, err = strconv.Unquote(quoted)
	return channel, seq, err == nil
}

// Load implements Store.
func (s *fileStore) Load() (Bookmark, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kept.clone(), nil
}

// Save implements Store.
func (s *fileStore) Save(b Bookmark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = b.clone()
	return s.rewriteLocked()
}

// Advance implements Store. It is one write, and no sync.
func (s *fileStore) Advance(epoch, channel string, seq uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept.Epoch != epoch || seq <= s.kept.Cursors[channel] {
		return nil
	}
	s.kept.Cursors[channel] = seq
	switch {
	case s.closed:
		return s.appendLocked(channel, seq)
	case s.file == nil || s.tail >= maxTail:
		return s.rewriteLocked()
	}
	n, err := s.file.Write(appendCursor(nil, channel, seq))
	s.tail += n
	if err != nil {
		return s.rewriteLocked() // do not append to an incomplete line
	}
	return nil
}

// appendLocked keeps a cursor of a message that was being handled when Close was called.
func (s *fileStore) appendLocked(channel string, seq uint64) error {
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(appendCursor(nil, channel, seq))
	return errors.Join(err, f.Close())
}

// rewriteLocked writes a new file and renames it over the old one.
func (s *fileStore) rewriteLocked() error {
	head, err := json.Marshal(fileHead{
		Wirepost: fileKind, Version: fileVersion,
		User: s.kept.User, Device: s.kept.Device, Epoch: s.kept.Epoch, Cursors: s.kept.Cursors,
	})
	if err != nil {
		return err
	}
	beside, err := writeBeside(s.path, append(head, '\n'))
	if err != nil {
		return err
	}
	if s.file != nil {
		s.file.Close() // some systems do not replace a file that is open
		s.file = nil
	}
	if err := os.Rename(beside, s.path); err != nil {
		os.Remove(beside)
		return err
	}
	syncDir(filepath.Dir(s.path))
	s.tail = 0
	s.file, err = os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND, 0)
	return err
}

// writeBeside writes a synced file in the same directory.
func writeBeside(path string, text []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return "", err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
	}
	return f.Name(), err
}

// syncDir makes a rename survive a power failure, where directories can be synced.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync() //nolint:errcheck // not possible everywhere
		d.Close()
	}
}

// Close implements Store.
func (s *fileStore) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return errors.Join(f.Sync(), f.Close())
}
