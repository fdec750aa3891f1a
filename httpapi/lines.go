package httpapi

import (
	"bytes"
	"errors"
	"io"
)

// lineReader cuts a body into lines.
type lineReader struct {
	r    io.Reader
	max  int               // bytes of a line
	wait func(pending int) // called before every read, with the bytes of a line that has begun
	grow func(by int) bool // called when the buffer changes its size; false refuses

	buf        []byte
	start, end int  // what was read and not returned yet
	searched   int  // bytes after start that contain no newline
	skipping   bool // up to the next newline: the line was too long
	skipped    int  // bytes of it
	err        error
}

const lineBuffer = 64 << 10

// errLongLine is the error of a line that is longer than allowed. The lines after it can
// be read.
var errLongLine = errors.New("line too long")

// errNoRoom is the error of a line that is longer than lineBuffer when grow allows no
// more.
var errNoRoom = errors.New("no room for a line")

// newLineReader reads into buf, which has lineBuffer bytes, until a line needs more.
func newLineReader(r io.Reader, buf []byte, limit int, wait func(pending int), grow func(by int) bool) *lineReader {
	return &lineReader{r: r, max: limit, wait: wait, grow: grow, buf: buf}
}

// next returns the next line without its newline; it is good until the next call.
// The last line may lack a newline, if the body is complete.
func (l *lineReader) next() ([]byte, error) {
	for {
		if text, ok := l.cut(); ok {
			if len(text) > l.max {
				return nil, errLongLine
			}
			return text, nil
		}
		if l.end-l.start > l.max && !l.skipping {
			l.skipping = true
			return nil, errLongLine
		}
		if l.err != nil {
			return l.last()
		}
		if !l.makeRoom() {
			l.skipping = true
			return nil, errNoRoom
		}
		l.read()
	}
}

// cut removes the first line from what was read, and drops the rest of one that was too
// long.
func (l *lineReader) cut() ([]byte, bool) {
	for {
		i := bytes.IndexByte(l.buf[l.start+l.searched:l.end], '\n')
		if i < 0 {
			l.searched = l.end - l.start
			return nil, false
		}
		text := l.buf[l.start : l.start+l.searched+i]
		l.start += len(text) + 1
		l.searched = 0
		if !l.skipping {
			return text, true
		}
		l.skipping, l.skipped = false, 0
	}
}

// last returns what follows the last newline.
func (l *lineReader) last() ([]byte, error) {
	text := l.buf[l.start:l.end]
	l.start, l.searched = l.end, 0
	if len(text) == 0 || l.skipping || l.err != io.EOF {
		return nil, l.err
	}
	return text, nil
}

// makeRoom makes room after what was read.
func (l *lineReader) makeRoom() bool {
	if l.skipping {
		l.skipped += l.end - l.start
		l.start, l.end, l.searched = 0, 0, 0
	}
	switch size := l.end - l.start; {
	case size == 0 && len(l.buf) > lineBuffer:
		l.grow(lineBuffer - len(l.buf))
		l.buf, l.start, l.end = make([]byte, lineBuffer), 0, 0
	case size > len(l.buf)/2:
		if !l.grow(len(l.buf)) {
			return false
		}
		bigger := make([]byte, 2*len(l.buf))
		l.start, l.end, l.buf = 0, copy(bigger, l.buf[l.start:l.end]), bigger
	case l.start > 0:
		l.start, l.end = 0, copy(l.buf, l.buf[l.start:l.end])
	}
	return true
}

// read reads more after what was read before.
func (l *lineReader) read() {
	l.wait(l.skipped + l.end - l.start)
	n, err := l.r.Read(l.buf[l.end:])
	l.end += n
	l.err = err
}
