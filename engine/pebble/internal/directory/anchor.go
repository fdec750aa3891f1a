package directory

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"
)

// anchor records what is known to be on the disk: how far the manifest and the logs
// were synced. It is stored outside those files, in two copies, so that a file that was
// truncated or lost is noticed at the next start. It lags: for what was synced after it
// was written, only the files themselves are evidence.
type anchor struct {
	generation uint64 // incremented with each anchor written
	epoch      string
	Manifest   uint64
	length     int64            // synced bytes of the manifest
	logs       map[uint64]int64 // synced bytes by log number
}

// AnchorNames are the two copies. They are overwritten in place, one after the other, so
// that at every moment one of them is intact.
var AnchorNames = [...]string{"ANCHOR-1", "ANCHOR-2"}

const (
	anchorHead = "wirepost anchor, format 1\n"
	anchorSum  = "sum %08x\n"
	// The file is padded to a multiple of anchorSize, so that a shorter anchor
	// overwrites all of the previous one.
	anchorSize = 1 << 10
)

func (a *anchor) encode() []byte {
	var b bytes.Buffer
	b.WriteString(anchorHead)
	fmt.Fprintf(&b, "generation %d\nepoch %s\nmanifest %d %d\n", a.generation, a.epoch, a.Manifest, a.length)
	for _, number := range slices.Sorted(maps.Keys(a.logs)) {
		fmt.Fprintf(&b, "log %d %d\n", number, a.logs[number])
	}
	fmt.Fprintf(&b, anchorSum, crc32.ChecksumIEEE(b.Bytes()))
	for b.Len()%anchorSize != 0 {
		b.WriteByte('\n')
	}
	return b.Bytes()
}

var errAnchor = errors.New("cannot be read")

func decodeAnchor(text string) (*anchor, error) {
	text, _, _ = strings.Cut(text, "\n\n")
	end := strings.LastIndex(text, "\nsum ") + 1
	var sum uint32
	if _, err := fmt.Sscanf(text[end:]+"\n", anchorSum, &sum); err != nil || crc32.ChecksumIEEE([]byte(text[:end])) != sum {
		return nil, errAnchor
	}
	body, ok := strings.CutPrefix(text[:end], anchorHead)
	if !ok {
		return nil, errAnchor
	}
	a := &anchor{logs: make(map[uint64]int64)}
	for line := range strings.Lines(body) {
		name, rest, _ := strings.Cut(line, " ")
		var number uint64
		var length int64
		var err error
		switch name {
		case "generation":
			_, err = fmt.Sscan(rest, &a.generation)
		case "epoch":
			_, err = fmt.Sscan(rest, &a.epoch)
		case "manifest":
			_, err = fmt.Sscan(rest, &a.Manifest, &a.length)
		case "log":
			_, err = fmt.Sscan(rest, &number, &length)
			a.logs[number] = length
		}
		if err != nil {
			return nil, errAnchor
		}
	}
	return a, nil
}

// ReadAnchor returns the newest copy that can be read, or nil when there is no copy, as
// in a store of an earlier version. It is an error when copies exist and none can be
// read.
func ReadAnchor(vs vfs.FS, dir string) (newest *anchor, err error) {
	bad := ""
	for _, name := range AnchorNames {
		text, err := ReadFile(vs, vs.PathJoin(dir, name), 1<<20)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		a, err := decodeAnchor(string(text))
		if err != nil {
			bad = name
			continue
		}
		if newest == nil || a.generation > newest.generation {
			newest = a
		}
	}
	if newest == nil && bad != "" {
		return nil, &Damage{File: bad, Problem: "neither copy of the anchor can be read"}
	}
	if newest != nil {
		log, length, err := readNote(vs, dir)
		if err != nil {
			return nil, err
		}
		if length > newest.logs[log] {
			newest.logs[log] = length
		}
	}
	return newest, nil
}

// writeAnchor overwrites both copies.
func writeAnchor(vs vfs.FS, dir string, a *anchor) error {
	text := a.encode()
	for _, name := range AnchorNames {
		if err := overwriteSynced(vs, dir, name, text); err != nil {
			return err
		}
	}
	return nil
}

// Synced is what is known to be in the logs of an open store at a moment.
type Synced struct{ a *anchor }

// Synced returns how far the logs are synced.
func (k *Keeper) Synced() Synced {
	k.mu.Lock()
	defer k.mu.Unlock()
	return Synced{k.ledger.anchor(k.epoch)}
}

// Mark makes a copy of Pebble's files a store: of the same epoch, and with an anchor, by
// which files that are missing in it, or are shorter, are noticed.
func (s Synced) Mark(vs vfs.FS, dir string) error {
	name, err := atomicfs.ReadMarker(vs, dir, manifestMarker)
	if err != nil {
		return err
	}
	if _, err := fmt.Sscanf(name, ManifestPrefix+"%d", &s.a.Manifest); err != nil {
		return fmt.Errorf("the marker names %s as manifest: %w", name, err)
	}
	info, err := vs.Stat(vs.PathJoin(dir, name))
	if err != nil {
		return err
	}
	s.a.length = info.Size()
	if err := writeAnchor(vs, dir, s.a); err != nil {
		return err
	}
	return writeMark(vs, dir, s.a.epoch)
}

func (a *anchor) same(b *anchor) bool {
	return a.epoch == b.epoch && a.Manifest == b.Manifest && a.length == b.length && maps.Equal(a.logs, b.logs)
}
