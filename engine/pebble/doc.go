// Package pebble is the embedded engine: logs and user records in one Pebble
// store, pure Go, one directory, one process. Open is the function to know.
//
// # Durability
//
// An append returns when it is on disk. One goroutine commits (internal/committer): it
// takes everything in the queue, assigns sequences (internal/stage), writes one batch, waits
// for one fsync, calls the watchers and then completes the appends. Nothing waits for a timer. Readers see a record only
// when it is on disk.
//
// # When the disk is full or fails
//
// Writes fail with engine.ErrFull, and reads continue, while less than Options.MinFree is
// free on the disk, or memtables cannot be flushed. The reserve is for flushing accepted
// writes. When there is space again, writes are accepted without a restart.
//
// Writes fail with engine.ErrStalled while files cannot be opened for lack of
// descriptors, and while a commit has taken more than Options.StallAfter because the disk
// hangs or Pebble has too much to compact. This is temporary, too.
//
// A failed write or fsync is different: the content of the disk is unknown after it, and
// a second fsync may succeed and prove nothing. The engine then leaves the disk unchanged
// and fails every write with engine.ErrFailed until the process is restarted and reads
// the log. Reads continue. An append that failed because of the failed write itself may
// be stored after the restart, as after any crash. No append that succeeded is missing.
//
// Engine.Ready returns the current state.
//
// # When something stored is damaged
//
// Pebble treats a break in a log or manifest as its end, because a crash leaves files in
// that state. Open therefore examines the files first (internal/directory) and returns an
// error that wraps ErrDamaged if acknowledged messages are missing: a later chunk of the
// file proves that it was synced beyond the break, or the anchor does, a small file in two
// copies that holds once a second how far all files were synced, or the note, which holds
// it for the last log after each sync and is exact if only the process was killed. Missing
// data that was not synced before a crash is not damage.
package pebble
