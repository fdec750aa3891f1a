package engine

import (
	"context"
	"errors"
	"io"
)

// ErrSnapshotOpen says that there is a snapshot of the store already: there is one at a
// time.
var ErrSnapshotOpen = errors.New("there is an open snapshot of the store")

// Copier is an optional interface of an Engine, for those whose store can be copied while
// it is open.
type Copier interface {
	// Snapshot returns the store as it is at one moment. It has everything that was
	// appended, saved or applied before the call. There is one snapshot at a time: before
	// it is closed, another one is refused with ErrSnapshotOpen.
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Snapshotter is an optional interface of a Replica whose store can be copied while it is
// open. What Applied says in a snapshot agrees with its contents.
type Snapshotter interface {
	Replica
	Copier

	// Outdate records, durably, that no log leads from this replica to the present, or that
	// it is damaged. ReplicaStore.Open returns ErrOutdated then, until the store is replaced.
	Outdate(reason string) error
}

// Snapshot is the files of a store that do not change any more. All methods are safe for
// concurrent use.
type Snapshot interface {
	Files() []SnapshotFile
	// ReadAt reads from a file, given by its index in Files, as io.ReaderAt does.
	ReadAt(file int, p []byte, offset int64) (int, error)
	// Close removes the files.
	Close() error
}

// SnapshotFile is one file of a Snapshot.
type SnapshotFile struct {
	Name string // without a directory
	Size int64  // in bytes
}

// ReplicaStore is the store of a replica that is not open.
type ReplicaStore interface {
	// Open opens the replica. It creates a store if there is none. It returns an error that
	// wraps ErrOutdated or ErrDamaged if the store must be replaced.
	Open() (Replica, error)
	// Receive begins to replace the store by a snapshot. The store remains as it is until
	// the snapshot is installed.
	Receive() (Receiver, error)
}

// Receiver writes the files of a snapshot that replaces a store. After an error, or a crash
// at any moment, the store is the one from before or the snapshot, as a whole.
type Receiver interface {
	// Begin is called first, with all files. It returns an error that wraps ErrFull if
	// there is too little space for them, and refuses names that no file of a store has.
	Begin(files []SnapshotFile) error
	// Create creates a file, given by its index. Its Close returns an error unless the file
	// is complete and undamaged, as far as it says itself. A file may be created again.
	Create(file int) (io.WriteCloser, error)
	// Install replaces the store, once all files are complete.
	Install() error
	// Close removes what was written, unless it was installed.
	Close() error
}
