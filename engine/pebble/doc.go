// Package pebble is the embedded engine: logs and user records in one Pebble
// store, pure Go, one directory, one process. Open is the function to know.
//
// # What it promises
//
// An append is answered when it is on disk. One goroutine commits: it takes
// whatever has queued, gives out the sequences, writes one batch, waits for one
// fsync, tells the watchers and then answers everyone; nothing waits for a timer.
// Readers see a record when it is on disk and not before.
//
// # When the disk is full or fails
//
// Writes are refused with engine.ErrFull, and reads go on, while less than
// Options.MinFree is left on the disk, or memtables cannot be flushed; that much is
// kept back so that what was accepted can be. When there is space again, writes
// are taken again, with no restart.
//
// They are refused with engine.ErrStalled while files cannot be opened for want of
// descriptors, and while a commit has taken more than Options.StallAfter, because
// the disk hangs or Pebble has too much to compact. That passes too.
//
// A write or fsync that fails is another thing: after it nobody knows what is on
// the disk (a second fsync may succeed and prove nothing). The engine then leaves
// the disk as it is and answers every write with engine.ErrFailed until the
// process starts anew and reads the log back; reads go on. An append that was
// refused because of the failed write itself may be there after the restart, as
// after any crash; nothing that was answered with success is missing.
//
// Engine.Ready says which of these holds, if one does.
//
// # When something stored is damaged
//
// Pebble takes a log or a manifest to end where it is broken, because a crash ends
// them so. Open therefore looks at the files first (internal/directory) and returns an error
// that wraps ErrDamaged when acknowledged messages are missing: a later chunk of the
// file says that it was synced beyond the break, or the anchor does, a small
// file in two copies that says once a second how far everything was synced, or the note,
// which says it of the last log after each sync and is exact when only the
// process was killed. What a crash leaves, with whatever was not synced missing, is not
// damage.
package pebble
