package pebble

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A file in the directory marks it as a store: it names the format and the epoch,
// and is written before anything else.
const (
	markName = "WIREPOST"
	markForm = "wirepost store, format %d, epoch %s\n"
	// format is the version of the key layout and of all values. A store of another
	// one is refused.
	format = 2
	// earlier is a format that this program reads too. It becomes the present one
	// when the store is opened, which a program that knows only the earlier one could
	// not read any more: since format 2 a head may be behind its records.
	earlier = 1
)

// checkForeign refuses a directory with files of somebody else.
func checkForeign(vs vfs.FS, dir string) error {
	names, err := vs.List(dir)
	if err != nil {
		return err
	}
	foreign := ""
	for _, name := range names {
		switch name {
		case markName:
			return nil
		case "lost+found", "LOCK", markName + ".tmp": // of a fresh volume, or a first start cut short
		default:
			foreign = name
		}
	}
	if foreign != "" {
		return fmt.Errorf("the directory is not empty (%s) and is no wirepost store", foreign)
	}
	return nil
}

// readMark answers the epoch, and marks a directory that has no mark yet.
func readMark(vs vfs.FS, dir string) (epoch string, err error) {
	f, err := vs.Open(vs.PathJoin(dir, markName))
	if errors.Is(err, fs.ErrNotExist) {
		epoch = rand.Text()
		return epoch, writeMark(vs, dir, epoch)
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return "", err
	}
	version := 0
	if _, err := fmt.Sscanf(string(text), markForm, &version, &epoch); err != nil || epoch == "" {
		return "", fmt.Errorf("%w: cannot read the file %s", errDamaged, markName)
	}
	if version == earlier {
		return epoch, writeMark(vs, dir, epoch)
	}
	if version != format {
		return "", fmt.Errorf("the store has format %d, this program knows format %d", version, format)
	}
	return epoch, nil
}

func writeMark(vs vfs.FS, dir, epoch string) error {
	name := vs.PathJoin(dir, markName)
	f, err := vs.Create(name+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, markForm, format, epoch)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := vs.Rename(name+".tmp", name); err != nil {
		return err
	}
	d, err := vs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
