package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"time"
)

// What the process may have open is divided: the store is sure of its part, and
// connections are refused before they would take it. Without that, strangers who
// connect and say nothing would keep the store from opening its next log.
const (
	storeFiles = 1000 // of the store, where there are enough
	otherFiles = 16   // opened now and then: a certificate, a key set
	leastFiles = 64   // fewer are no use
)

// files says how many descriptors there are for what.
type files struct {
	limit int // of the process; 0: it is not known here, and nothing is divided
	store int // the store's part
}

// divideFiles divides a limit (ulimit -n); known says whether there is one.
func divideFiles(limit int, known bool) (files, error) {
	switch {
	case !known:
		return files{}, nil
	case limit < leastFiles:
		return files{}, fmt.Errorf("this process may have %d files open, at least %d are needed: raise the limit (ulimit -n)", limit, leastFiles)
	}
	return files{limit: limit, store: min(storeFiles, limit/3)}, nil
}

// sockets is how many may be open when another connection is taken.
func (f files) sockets() int { return f.limit - f.store - otherFiles }

// guardedListener closes new connections at once while too many descriptors are in
// use, whatever for: the ones in use are counted by the system, because what
// becomes of a connection after its upgrade is not seen here. Accept is called by
// one goroutine.
type guardedListener struct {
	net.Listener
	files   files
	open    func() (n int, ok bool)
	refused func()
	log     *slog.Logger

	estimate int       // of what is open, never too low as far as connections go
	counted  time.Time // when that was counted
	logged   time.Time
}

const (
	// countEvery is how often the open descriptors are counted at most: where there
	// are very many of them, that takes a while.
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
			l.log.Warn("connections are refused: too many files are open", "open", l.estimate, "limit", l.files.limit, "for the store", l.files.store)
		}
	}
}

// room says whether a connection that was accepted may stay.
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

// openFiles counts the descriptors of this process; ok is false where that cannot be
// known.
func openFiles() (n int, ok bool) {
	dir := "/dev/fd"
	if runtime.GOOS == "linux" {
		dir = "/proc/self/fd"
		if info, err := os.Stat(dir); err == nil && info.Size() > 0 {
			return int(info.Size()), true // since Linux 6.2 that is their number
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
