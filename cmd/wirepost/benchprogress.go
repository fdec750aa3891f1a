package main

import (
	"fmt"
	"time"
)

// benchProgress shows the progress of a benchmark on standard error. It must be used
// by one goroutine at a time.
type benchProgress struct {
	t     *terminal
	live  bool // overwrite the line
	shown time.Time
}

func newBenchProgress(t *terminal) *benchProgress {
	return &benchProgress{t: t, live: t.live(), shown: time.Now()}
}

// show prints a line, rate-limited so that it can be read.
func (p *benchProgress) show(format string, args ...any) {
	now := time.Now()
	if now.Sub(p.shown) < progressPause(p.live) {
		return
	}
	p.shown = now
	if p.live {
		fmt.Fprintf(p.t.Err, "\r\x1b[K"+format, args...)
		return
	}
	fmt.Fprintf(p.t.Err, format+"\n", args...)
}

// end clears the line.
func (p *benchProgress) end() {
	if p.live {
		fmt.Fprint(p.t.Err, "\r\x1b[K")
	}
}
