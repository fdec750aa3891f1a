//go:build unix

package main

import "syscall"

// maxFiles returns the limit on open files of this process. The runtime raised the
// soft limit to the hard limit at start.
func maxFiles() (limit int, known bool) {
	var l syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return int(min(uint64(l.Cur), 1<<30)), err == nil
}
