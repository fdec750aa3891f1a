package directory

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A file in the directory marks it as a store. It contains the format and the epoch, and
// is written before anything else.
const (
	MarkName = "WIREPOST"
	markForm = "wirepost store, format %d, epoch %s\n"
	// format is the version of the key layout and of all values. A store of a later
	// format is refused.
	format = 4
	// earliest is the oldest format that this program reads. Opening such a store
	// converts it to the present format, after which an older program cannot read it:
	// since format 2 a stored head may lack the latest records, since format 3 a
	// channel's holes are stored, and since format 4 read marks and cursors are merged.
	// The holes of a store of format 1 or 2 are found when the channel is first used.
	earliest = 1
)

// CheckForeign returns an error if the directory contains files of another program.
func CheckForeign(vs vfs.FS, dir string) error {
	names, err := vs.List(dir)
	if err != nil {
		return err
	}
	if Replacing(names) {
		return nil
	}
	foreign := ""
	for _, name := range names {
		switch name {
		case MarkName, AnchorNames[0], AnchorNames[1]:
			return nil
		case "lost+found", "LOCK", MarkName + ".tmp", IncomingName: // of a fresh volume, or an interrupted first start
		case "cluster": // what a node of a cluster keeps besides its replica
		default:
			foreign = name
		}
	}
	if foreign != "" {
		return fmt.Errorf("the directory is not empty (%s) and is not a wirepost store", foreign)
	}
	return nil
}

// mark is the content of the file. An empty epoch means that there is no file.
type mark struct {
	version int
	epoch   string
}

func readMark(vs vfs.FS, dir string) (m mark, err error) {
	text, err := ReadFile(vs, vs.PathJoin(dir, MarkName), 256)
	if errors.Is(err, fs.ErrNotExist) {
		return mark{}, nil
	}
	if err != nil {
		return mark{}, err
	}
	if _, err := fmt.Sscanf(string(text), markForm, &m.version, &m.epoch); err != nil || m.epoch == "" {
		return mark{}, &Damage{File: MarkName, Problem: "cannot be read"}
	}
	if m.version < earliest || m.version > format {
		return mark{}, fmt.Errorf("the store has format %d, this program knows format %d", m.version, format)
	}
	return m, nil
}

func writeMark(vs vfs.FS, dir, epoch string) error {
	return CreateSynced(vs, dir, MarkName, fmt.Appendf(nil, markForm, format, epoch))
}

// SetEpoch changes the epoch of a closed store.
func SetEpoch(vs vfs.FS, dir, epoch string) error {
	a, err := ReadAnchor(vs, dir)
	if err != nil {
		return err
	}
	if a != nil {
		a.epoch, a.generation = epoch, a.generation+1
		if err := writeAnchor(vs, dir, a); err != nil {
			return err
		}
	}
	return writeMark(vs, dir, epoch)
}
