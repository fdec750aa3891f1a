//go:build !unix

package main

// maxFiles returns the limit on open files of this process.
func maxFiles() (limit int, known bool) { return 0, false }
