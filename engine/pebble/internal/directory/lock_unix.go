//go:build !windows

package directory

import "syscall"

// heldElsewhere is what fcntl(2) answers to F_SETLK when another process has the lock.
const heldElsewhere = syscall.EAGAIN
