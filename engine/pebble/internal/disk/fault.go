package disk

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
)

// Fault holds the failure after which nothing may be written. Initially there is none.
type Fault struct {
	err atomic.Pointer[error]
	log *slog.Logger
}

func NewFault(log *slog.Logger) *Fault { return &Fault{log: log} }

// Set records and logs the first failure; later ones are ignored.
func (f *Fault) Set(err error) {
	if f.err.CompareAndSwap(nil, &err) {
		f.log.Error("storage failed: writes are refused until a restart", "error", Plain(err))
	}
}

// Cause returns the failure itself, or nil.
func (f *Fault) Cause() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

// Get returns an error that wraps engine.ErrFailed, or nil.
func (f *Fault) Get() error {
	if err := f.err.Load(); err != nil {
		return fmt.Errorf("%w: %w", engine.ErrFailed, *err)
	}
	return nil
}

// Plain returns the first line of an error's text. Pebble's errors have more lines, and
// slog would log the stack trace they carry.
func Plain(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
