package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"time"
)

// The limit on open files is divided: the store's share is reserved, and connections
// are refused before they would use it. Otherwise idle connections of strangers
// could keep the store from opening its next log.
const (
	storeFiles = 1000 // reserved for the store, where the limit allows it
	otherFiles = 16   // opened occasionally: a certificate, a key set
	leastFiles = 64   // the minimum
)

// files divides the descriptors of the process.
type files struct {
	limit int // of the process; 0: unknown, nothing is divided
	store int // the store's share
	hooks int // that of requests to hooks
}

// divideFiles divides a limit (ulimit -n); known reports whether there is one.
func divideFiles(limit int, known bool) (files, error) {
	switch {
	case !known:
		return files{}, nil
	case limit < leastFiles:
		return files{}, fmt.Errorf("the limit of %d open files is too low, at least %d are needed: raise it (ulimit -n)", limit, leastFiles)
	}
	return files{limit: limit, store: min(storeFiles, limit/3)}, nil
}

// sockets is how many descriptors may be open when a connection is accepted.
func (f files) sockets() int { return f.limit - f.store - f.hooks - otherFiles }

// reserve keeps descriptors for concurrent requests to hooks, at most a quarter of all.
func (f *files) reserve(requests int) { f.hooks = min(requests, f.limit/4) }

// guardedListener closes new connections immediately while too many descriptors are
// in use. It asks the system for their number, because it does not see what happens
// to a connection after its upgrade. Accept must be called by one goroutine.
type guardedListener struct {
	net.Listener
	files   files
	open    func() (n int, ok bool)
	refused func()
	log     *slog.Logger

	estimate int       // of open descriptors, never too low as far as connections are concerned
	counted  time.Time // when they were counted
	logged   time.Time
}

const (
	// countEvery is the minimum interval between counts, which are slow with very
	// many descriptors.
	countEvery = 100 * time.Millisecond
	// logEvery keeps a flood of connections out of the log.
	logEvery = 10 * time.Second
)

func (l *guardedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || l.room() {
			return c, err
		}
		c.Close() //nolint:errcheck // nothing was said on it
		l.estimate--
		l.refused()
		if now := time.Now(); now.Sub(l.logged) > logEvery {
			l.logged = now
			l.log.Warn("refusing connections: too many open files", "open", l.estimate, "limit", l.files.limit, "for the store", l.files.store)
		}
	}
}

// room reports whether an accepted connection may stay.
func (l *guardedListener) room() bool {
	l.estimate++
	if l.estimate <= l.files.sockets() && !l.counted.IsZero() {
		return true
	}
	if now := time.Now(); now.Sub(l.counted) >= countEvery {
		l.counted = now
		n, ok := l.open()
		if !ok {
			return true
		}
		l.estimate = n
	}
	return l.estimate <= l.files.sockets()
}

// openFiles counts the open descriptors of this process; ok is false if they cannot
// be counted.
func openFiles() (n int, ok bool) {
	dir := "/dev/fd"
	if runtime.GOOS == "linux" {
		dir = "/proc/self/fd"
		if info, err := os.Stat(dir); err == nil && info.Size() > 0 {
			return int(info.Size()), true // the number of descriptors, since Linux 6.2
		}
	}
	d, err := os.Open(dir)
	if err != nil {
		return 0, false
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	return len(names) - 1, err == nil // d is one of them
}
