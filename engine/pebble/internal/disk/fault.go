package disk

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine"
)

// Fault is a failure after which nothing may be written; at first there is none.
type Fault struct {
	err atomic.Pointer[error]
	log *slog.Logger
}

func NewFault(log *slog.Logger) *Fault { return &Fault{log: log} }

// Set notes the first failure, and logs it.
func (f *Fault) Set(err error) {
	if f.err.CompareAndSwap(nil, &err) {
		f.log.Error("storage failed: writes are refused until a restart", "error", Plain(err))
	}
}

// Cause is the failure itself; nil: there is none.
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

// Plain is what an error says, in one line. Errors of Pebble have more behind it, and
// slog would add the stack that they hold.
func Plain(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
