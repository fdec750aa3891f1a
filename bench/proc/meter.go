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

// CPU returns the CPU time, user and system, of the child and of its waited-for
// children.
func (c *Child) CPU() (time.Duration, error) { return CPU(c.cmd.Process.Pid) }

// CPU returns the CPU time, user and system, of a process and of its waited-for children.
func CPU(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The second field is the name, which may contain anything: count from its end.
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

// SelfCPU returns the CPU time of this process, the client.
func SelfCPU() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u) //nolint:errcheck // it cannot fail with a valid argument
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// PeakRSS returns the largest resident memory that the process has had, in bytes.
func (c *Child) PeakRSS() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	var kib int64
	if _, err := fmt.Sscan(string(rest), &kib); err != nil {
		return 0, fmt.Errorf("no VmHWM in status: %w", err)
	}
	return kib << 10, nil
}

// RSS returns the resident memory of the process, in bytes.
func (c *Child) RSS() (int64, error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(rollup, []byte("\nRss:"))
	var kib int64
	if _, err := fmt.Sscan(string(rest), &kib); err != nil {
		return 0, fmt.Errorf("no Rss in smaps_rollup: %w", err)
	}
	return kib << 10, nil
}
