//go:build unix

package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// unprivileged returns the user that a server runs as when the test runs as root.
func unprivileged() (uid, gid uint32, ok bool) {
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		n, err1 := strconv.ParseUint(u.Uid, 10, 32)
		g, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return uint32(n), uint32(g), true
		}
	}
	return 0, 0, false
}

// demote makes a command run without privileges, in a process group of its own.
func demote(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid, gid, ok := unprivileged(); ok {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
}

// own gives a file to the user of the server.
func (s *Server) own(path string) error {
	if uid, gid, ok := unprivileged(); ok {
		return os.Chown(path, int(uid), int(gid))
	}
	return nil
}

// signalAll sends a signal to a process and its children, which PostgreSQL puts into
// process groups of their own, and returns all of them.
func signalAll(pid int, sig syscall.Signal) ([]int, error) {
	if sig == syscall.SIGKILL {
		stop(pid)
	}
	all := processes(pid)
	err := syscall.Kill(pid, sig)
	for _, child := range all[1:] {
		syscall.Kill(child, sig) //nolint:errcheck // it may have ended with its parent
	}
	return all, err
}

// processes returns a process and, on Linux, its children.
func processes(pid int) []int {
	all := []int{pid}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)) // Linux only
	for _, word := range strings.Fields(string(children)) {
		if child, err := strconv.Atoi(word); err == nil {
			all = append(all, child)
		}
	}
	return all
}

// stop keeps a process from having further children, which would survive it.
func stop(pid int) {
	syscall.Kill(pid, syscall.SIGSTOP) //nolint:errcheck // it may have ended
	for alive(pid) && state(pid) != 'T' {
		time.Sleep(time.Millisecond)
	}
}

// alive reports whether a process runs, or still holds what it had: it is a zombie only
// after it has released its shared memory.
func alive(pid int) bool { return !strings.ContainsRune("ZX\x00", rune(state(pid))) }

// state is the state of a process as in proc(5), or 0 if it is not known.
func state(pid int) byte {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // Linux only
	_, fields, ok := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	if !ok || len(fields) == 0 {
		return 0
	}
	return fields[0]
}
