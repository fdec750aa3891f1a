// Package callback calls functions of the application.
package callback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/wirepost/wirepost/internal/fault"
)

// Panic is the error of a callback that panicked. It is logged already.
type Panic struct {
	Callback string
	Value    any
}

func (p *Panic) Error() string { return fmt.Sprintf("panic in %s: %v", p.Callback, p.Value) }

// Guard calls a callback of the application for a user, "" if the user is not known yet.
// A panic in it is logged and returned as a *Panic.
func Guard(log *slog.Logger, name, user string, fn func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if user != "" {
				log = log.With("user", user)
			}
			log.Error("panic in a callback", "callback", name, "panic", p, "stack", string(debug.Stack()))
			err = &Panic{Callback: name, Value: p}
		}
	}()
	fn()
	return nil
}

// Refusal turns the error of a callback that decides about a client's request into the
// client's error. A *fault.Error is the application's refusal. Any other error is an
// outage, such as that of its database: it is logged, and must not look like a refusal,
// after which a page would ask its user to log in again. What names the thing that
// cannot be checked.
func Refusal(ctx context.Context, log *slog.Logger, name, what string, err error) error {
	var coded *fault.Error
	if err == nil || errors.As(err, &coded) {
		return err
	}
	level := slog.LevelError
	if errors.Is(err, context.Canceled) {
		level = slog.LevelDebug // the client left
	}
	log.Log(ctx, level, "callback failed", "callback", name, "error", err)
	return &fault.Error{
		Code: fault.Unavailable, Message: "the server cannot check " + what + " at the moment: try again later",
		RetryAfter: 5 * time.Second, Err: err,
	}
}
