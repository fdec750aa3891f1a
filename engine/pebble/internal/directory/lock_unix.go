//go:build !windows

package directory

import "syscall"

// heldElsewhere is the error of fcntl(2) with F_SETLK when another process has the lock.
const heldElsewhere = syscall.EAGAIN
