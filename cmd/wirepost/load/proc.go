package load

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process data of Linux. Elsewhere /proc does not exist, and these functions find
// nothing.

// ticksPerSecond is USER_HZ, which is 100 wherever Go runs.
const ticksPerSecond = 100

// glance reads what does not interrupt the process.
func glance(pid int) (usage, error) {
	u := unknownUsage()
	stat, err := os.ReadFile(inProc(pid, "stat"))
	if err != nil {
		return u, err
	}
	if u.cpu, err = parseStat(string(stat)); err != nil {
		return u, err
	}
	statm, err := os.ReadFile(inProc(pid, "statm"))
	if err != nil {
		return u, err
	}
	if fields := strings.Fields(string(statm)); len(fields) > 1 {
		pages, _ := strconv.ParseFloat(fields[1], 64)
		u.rss = pages * float64(os.Getpagesize())
	}
	return u, nil
}

// readProc reads a process's usage. Some values need permissions.
func readProc(pid int) (usage, error) {
	u, err := glance(pid)
	if err != nil {
		return u, err
	}
	// smaps_rollup is exact, whereas statm lags by some pages per thread.
	if rollup, err := os.ReadFile(inProc(pid, "smaps_rollup")); err == nil {
		if rss := parseRollup(string(rollup)); rss > 0 {
			u.rss = rss
		}
	}
	if files, err := os.ReadDir(inProc(pid, "fd")); err == nil {
		u.files = float64(len(files))
	}
	if limits, err := os.ReadFile(inProc(pid, "limits")); err == nil {
		u.maxFiles = parseLimits(string(limits))
	}
	return u, nil
}

func inProc(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }

// parseStat returns the seconds of CPU time in /proc/PID/stat. The command name, in
// parentheses, may contain anything.
func parseStat(stat string) (float64, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return -1, fmt.Errorf("%.100q is not a /proc/PID/stat", stat)
	}
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	if err1 != nil || err2 != nil {
		return -1, fmt.Errorf("%.100q is not a /proc/PID/stat", stat)
	}
	return (user + system) / ticksPerSecond, nil
}

func parseRollup(rollup string) float64 {
	for line := range strings.Lines(rollup) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "Rss:" {
			if kib, err := strconv.ParseFloat(fields[1], 64); err == nil {
				return kib * 1024
			}
		}
	}
	return -1
}

func parseLimits(limits string) float64 {
	for line := range strings.Lines(limits) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if fields := strings.Fields(rest); len(fields) > 0 {
				if n, err := strconv.ParseFloat(fields[0], 64); err == nil {
					return n
				}
			}
		}
	}
	return -1
}

// listenerOf finds the process of this user that listens on a port, or 0.
func listenerOf(port uint16) int {
	inodes := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if text, err := os.ReadFile(table); err == nil {
			listeningInodes(string(text), port, inodes)
		}
	}
	if len(inodes) == 0 {
		return 0
	}
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, file := range files {
		link, err := os.Readlink(file)
		if err == nil && inodes[strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")] {
			pid, _ := strconv.Atoi(strings.Split(file, "/")[2])
			return pid
		}
	}
	return 0
}

// listeningInodes adds the sockets of a table that listen (state 0A) on a port.
func listeningInodes(table string, port uint16, inodes map[string]bool) {
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) > 9 && fields[3] == "0A" && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
			inodes[fields[9]] = true
		}
	}
}
