//go:build unix

package main

import "syscall"

// maxFiles is how many files this process may have open. The runtime has raised the
// soft limit to the hard one when it started.
func maxFiles() (limit int, known bool) {
	var l syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
	return int(min(uint64(l.Cur), 1<<30)), err == nil
}
