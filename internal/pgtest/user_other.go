//go:build !unix

package pgtest

import (
	"os/exec"
	"syscall"
)

func demote(*exec.Cmd) {}

func (s *Server) own(string) error { return nil }

func signalAll(int, syscall.Signal) ([]int, error) { return nil, syscall.EINVAL }

func processes(pid int) []int { return []int{pid} }

func alive(int) bool { return false }
