package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// syncFile is a file that is written from its beginning and synced after every write. It
// has its size already, like a log of the store.
type syncFile struct{ *os.File }

const syncFileSize = 16 << 20

func newSyncFile(dir string) (f syncFile, err error) {
	if f.File, err = os.Create(filepath.Join(dir, "wirepost-bench-sync")); err != nil {
		return f, err
	}
	_, err = f.Write(make([]byte, syncFileSize))
	_, seek := f.Seek(0, io.SeekStart)
	if err := errors.Join(err, f.Sync(), seek); err != nil {
		f.close()
		return f, err
	}
	return f, nil
}

// write writes and syncs data, at the beginning when the file has been filled.
func (f syncFile) write(data []byte) error {
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at+int64(len(data)) > syncFileSize {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return unix.Fdatasync(int(f.Fd()))
}

func (f syncFile) close() {
	f.Close()
	os.Remove(f.Name())
}
