package conn

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// descriptors is the table of the process.
var descriptors table

// table is the kernel's table of descriptors. The kernel doubles it when it is full, and
// that takes milliseconds, for which all threads wait that need a descriptor (expand_files
// in fs/file.c). In a burst of connections the runtime then starts a thread for each
// handshake that waits, and threads do not end. Therefore the table grows before it is full.
type table struct {
	size atomic.Int64 // it has at least so much room
}

const firstSize = 4096

// makeRoom has the table grow if a descriptor is in its second half.
func (t *table) makeRoom(fd int) {
	if size, due := t.growth(fd); due {
		go grow(size)
	}
}

// growth reports whether the table is to grow, and to which size.
func (t *table) growth(fd int) (size int, due bool) {
	old := t.size.Load()
	if int64(fd) < old/2 {
		return 0, false
	}
	next := max(2*old, firstSize)
	return int(next), t.size.CompareAndSwap(old, next)
}

// grow opens the last descriptor of a table of that size, for a moment. If the limit on open
// files does not allow it, the table grows when it is full.
func grow(size int) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC) // a duplicate of a socket would keep it open
	if err != nil {
		return
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	if last, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, size-1); err == nil {
		unix.Close(last) //nolint:errcheck // the same
	}
}
