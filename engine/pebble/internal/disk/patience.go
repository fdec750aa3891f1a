package disk

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// A file that cannot be opened for lack of descriptors or memory can often be opened a
// moment later. Pebble does not wait: it gives up for good, or restarts the flush that
// needed the file at once, and fails again.
const (
	firstPause = 5 * time.Millisecond // doubled each time
	longPause  = 200 * time.Millisecond
	awhile     = 2 * time.Second
)

// Patience retries operations that fail because of a temporary shortage.
type Patience struct {
	log    *slog.Logger
	ending chan struct{} // closed by End: no more retries
	Opened atomic.Bool   // until it is set, retries are limited to awhile
}

func NewPatience(log *slog.Logger) *Patience {
	return &Patience{log: log, ending: make(chan struct{})}
}

// End stops all retries.
func (p *Patience) End() { close(p.ending) }

// Shortage maps the error of opening a file to an engine error if it is temporary, and
// to nil otherwise.
func Shortage(err error) error {
	switch {
	case noSpace(err):
		return engine.ErrFull
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM):
		return engine.ErrStalled
	}
	return nil
}

func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// untilItWorks retries until try succeeds or its error is not temporary.
func (p *Patience) untilItWorks(try func() error) error {
	if !p.Opened.Load() {
		return p.wait(try, awhile)
	}
	return p.wait(try, 1<<63-1)
}

// forAWhile retries for a limited time, for operations that may fail in the end. The
// error then also wraps the one of Shortage.
func (p *Patience) forAWhile(try func() error) error {
	err := p.wait(try, awhile)
	if short := Shortage(err); short != nil {
		return fmt.Errorf("%w: %w", short, err)
	}
	return err
}

func (p *Patience) wait(try func() error, limit time.Duration) error {
	err := try()
	if Shortage(err) == nil {
		return err
	}
	p.log.Warn("the system is short of a resource: the store retries", "error", Plain(err))
	begun := time.Now()
	for pause := firstPause; time.Since(begun) < limit; pause = min(2*pause, longPause) {
		select {
		case <-p.ending:
			return err
		case <-time.After(pause):
		}
		if err = try(); Shortage(err) == nil {
			return err
		}
	}
	return err
}

// pause delays an operation that keeps failing.
func (p *Patience) pause() {
	select {
	case <-p.ending:
	case <-time.After(longPause):
	}
}
