package main

import (
	"fmt"
	"time"
)

// progress reports the progress of a bulk push on standard error.
type progress struct {
	t            *terminal
	done, failed int
	began, shown time.Time
	live         bool // overwrite the line
}

func newProgress(t *terminal) *progress {
	return &progress{t: t, began: time.Now(), shown: time.Now(), live: t.live()}
}

// progressPause is the interval between reports, shorter on a terminal than in a
// file.
func progressPause(live bool) time.Duration {
	if live {
		return time.Second / 5
	}
	return 5 * time.Second
}

// show prints the numbers, rate-limited so that they can be read.
func (p *progress) show() {
	if now := time.Now(); now.Sub(p.shown) >= progressPause(p.live) {
		p.shown = now
		p.print()
	}
}

func (p *progress) print() {
	rate := float64(p.done) / max(time.Since(p.began).Seconds(), 0.001)
	if p.live {
		fmt.Fprintf(p.t.Err, "\r%d pushed, %d refused, %.0f/s   ", p.done, p.failed, rate)
		return
	}
	fmt.Fprintf(p.t.Err, "%d pushed, %d refused, %.0f/s\n", p.done, p.failed, rate)
}

// line prints a line above the numbers.
func (p *progress) line(format string, args ...any) {
	if p.live {
		fmt.Fprint(p.t.Err, "\r\x1b[K")
	}
	p.t.warnf(format, args...)
}

func (p *progress) end() {
	p.print()
	if p.live {
		fmt.Fprintln(p.t.Err)
	}
}
