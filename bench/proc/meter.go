package proc

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ, which is 100 on every
// architecture that Go knows.
const tick = time.Second / 100

// CPU is the processor time, user and system, of the child and of the children it
// waited for.
func (c *Child) CPU() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The second field is the name and may have anything in it: count from its end.
	_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')'):]), " ")
	fields := strings.Fields(rest)
	ticks := 0
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		var n int
		if _, err := fmt.Sscan(field, &n); err != nil {
			return 0, fmt.Errorf("%q in /proc/PID/stat: %w", field, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// SelfCPU is the processor time of this process: the client's.
func SelfCPU() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) //nolint:errcheck // it fails on bad pointers only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Memory is what a process has resident, in bytes.
type Memory struct {
	RSS int64
	PSS int64 // pages that others share count in parts
}

// Memory reads it.
func (c *Child) Memory() (m Memory, err error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", c.cmd.Process.Pid))
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(string(rollup)) {
		for name, to := range map[string]*int64{"Rss:": &m.RSS, "Pss:": &m.PSS} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				if _, err := fmt.Sscanf(rest, "%d kB", to); err != nil {
					return m, fmt.Errorf("smaps_rollup %q: %w", line, err)
				}
				*to <<= 10
			}
		}
	}
	return m, nil
}
