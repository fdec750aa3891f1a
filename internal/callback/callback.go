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

// Guard calls a callback of the application. A panic in it is logged and returned as an
// error.
func Guard(log *slog.Logger, name string, fn func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic in a callback", "callback", name, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic in %s: %v", name, p)
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
