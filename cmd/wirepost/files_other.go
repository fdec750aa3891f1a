//go:build !unix

package main

// maxFiles is how many files this process may have open.
func maxFiles() (limit int, known bool) { return 0, false }
