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

// A file that cannot be opened for want of descriptors or memory can be opened a
// moment later. Pebble does not try again: it gives up for good, or at once starts
// the flush anew that needed the file, and fails again.
const (
	firstPause = 5 * time.Millisecond // doubled each time
	longPause  = 200 * time.Millisecond
	awhile     = 2 * time.Second
)

// Patience tries again what fails only for the moment.
type Patience struct {
	log    *slog.Logger
	ending chan struct{} // closed when nothing is waited for any more
	Opened atomic.Bool   // until then nothing is waited for long
}

func NewPatience(log *slog.Logger) *Patience {
	return &Patience{log: log, ending: make(chan struct{})}
}

// End ends all waiting.
func (p *Patience) End() { close(p.ending) }

// shortage says what an error at opening a file is, if it is one that passes; else
// it returns nil.
func shortage(err error) error {
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

// untilItWorks tries until there is success, or an error that does not pass.
func (p *Patience) untilItWorks(try func() error) error {
	if !p.Opened.Load() {
		return p.wait(try, awhile)
	}
	return p.wait(try, 1<<63-1)
}

// forAWhile is for what may fail in the end: it then does with an error that wraps
// what shortage says.
func (p *Patience) forAWhile(try func() error) error {
	err := p.wait(try, awhile)
	if short := shortage(err); short != nil {
		return fmt.Errorf("%w: %w", short, err)
	}
	return err
}

func (p *Patience) wait(try func() error, limit time.Duration) error {
	err := try()
	if shortage(err) == nil {
		return err
	}
	p.log.Warn("the store waits for what the system lacks", "error", Plain(err))
	begun := time.Now()
	for pause := firstPause; time.Since(begun) < limit; pause = min(2*pause, longPause) {
		select {
		case <-p.ending:
			return err
		case <-time.After(pause):
		}
		if err = try(); shortage(err) == nil {
			return err
		}
	}
	return err
}

// pause holds up what fails again and again.
func (p *Patience) pause() {
	select {
	case <-p.ending:
	case <-time.After(longPause):
	}
}
