// Package callback calls functions of the application.
package callback

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Guard runs a callback of the application. A panic in it is logged, and an error for
// the caller; it ends nothing else.
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
