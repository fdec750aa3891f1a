package pebble

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/pebble/internal/directory"
)

// Restore makes a store of a snapshot in a new or empty directory, and returns its epoch,
// which is a new one: sequences that were assigned after the snapshot are assigned again,
// and clients that remember them have to discard that. fill writes the files. The snapshot
// may be that of a replica: the store is none. After an error, or a crash before Restore
// has returned, the directory has no store.
func Restore(dir string, o Options, fill func(engine.Receiver) error) (epoch string, err error) {
	o.complete()
	if epoch, err = restore(dir, o, fill); err != nil {
		return "", fmt.Errorf("restore %s: %w", dir, err)
	}
	return epoch, nil
}

func restore(dir string, o Options, fill func(engine.Receiver) error) (epoch string, err error) {
	names, err := o.FS.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if directory.IsStore(names) || directory.Replacing(names) {
		return "", errors.New("there is a store already: restore into an empty directory")
	}
	d := &Directory{dir: dir, o: o}
	r, err := d.receive()
	if err != nil {
		return "", err
	}
	epoch = rand.Text()
	if err = fill(r); err == nil {
		err = directory.SetEpoch(o.FS, r.incoming, epoch)
	}
	if err == nil {
		err = r.Install()
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return "", err
	}
	e, err := Open(dir, o)
	if err != nil {
		return "", err
	}
	return epoch, e.Close()
}
