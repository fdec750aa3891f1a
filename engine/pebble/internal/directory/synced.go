package directory

import (
	"errors"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// overwriteSynced writes a file in place and syncs it. A new file is created atomically.
func overwriteSynced(vs vfs.FS, dir, name string, text []byte) error {
	path := vs.PathJoin(dir, name)
	if _, err := vs.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return CreateSynced(vs, dir, name, text)
	}
	f, err := vs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(text, 0)
	return errors.Join(err, f.SyncData(), f.Close())
}

// CreateSynced replaces a file atomically and syncs it.
func CreateSynced(vs vfs.FS, dir, name string, text []byte) error {
	path := vs.PathJoin(dir, name)
	f, err := vs.Create(path+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := vs.Rename(path+".tmp", path); err != nil {
		return err
	}
	return syncDir(vs, dir)
}

func ReadFile(vs vfs.FS, name string, limit int64) ([]byte, error) {
	f, err := vs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
