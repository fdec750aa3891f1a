package main

import (
	"fmt"
	"io"
	"os"
)

// terminal is a command's standard input and output.
type terminal struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// warnf prints a message to standard error.
func (t *terminal) warnf(format string, args ...any) {
	fmt.Fprintf(t.Err, "wirepost: "+format+"\n", args...)
}

// live reports whether Err is a terminal.
func (t *terminal) live() bool {
	file, ok := t.Err.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
