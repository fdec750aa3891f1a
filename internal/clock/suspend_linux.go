package clock

import (
	"time"

	"golang.org/x/sys/unix"
)

// suspended returns how long the system was suspended since its start: the boot-time
// clock includes that, the monotonic clock does not.
func suspended() time.Duration {
	var boot, mono unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil {
		return 0
	}
	return time.Duration(boot.Nano() - mono.Nano())
}
