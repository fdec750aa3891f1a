package main

import (
	"bufio"
	"bytes"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// systemMemory returns the memory of the machine or, if less, the limit of the
// process's control groups. It reads Linux's files; elsewhere it returns 0.
func systemMemory(root fs.FS) int64 {
	limit := machineMemory(root)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return limit
	}
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		switch controllers := "," + parts[1] + ","; {
		case parts[0] == "0" && parts[1] == "":
			limit = least(limit, groupMemory(root, "sys/fs/cgroup", parts[2], "memory.max"))
			limit = least(limit, groupMemory(root, "sys/fs/cgroup/unified", parts[2], "memory.max"))
		case strings.Contains(controllers, ",memory,"):
			limit = least(limit, groupMemory(root, "sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes"))
		}
	}
	return limit
}

// least returns the smaller of two limits, where 0 means none.
func least(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// groupMemory returns the smallest limit of a group and its parents. In a container
// the group's own directory is the mount itself, and the path does not exist.
func groupMemory(root fs.FS, mount, group, file string) (limit int64) {
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		if text, err := fs.ReadFile(root, path.Join(mount, dir, file)); err == nil {
			// "max" means no limit, for which version 1 uses a huge number.
			n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
			if err == nil && n > 0 && n < math.MaxInt64/2 {
				limit = least(limit, n)
			}
		}
		if dir == "/" {
			return limit
		}
	}
}

func machineMemory(root fs.FS) int64 {
	f, err := root.Open("proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close() //nolint:errcheck // it is only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
