// Package proc starts servers as child processes and measures their CPU and memory.
package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Child is a server in its own process. The caller of Start must call Stop.
type Child struct {
	Address netip.AddrPort // where clients connect
	Control string         // address for the benchmark's control requests; "" for none

	cmd    *exec.Cmd
	stderr *tail
	ended  chan struct{} // closed when the process has exited
}

// startLimit is the maximum time until a server listens.
const startLimit = 30 * time.Second

// Start starts a server and waits for its line "listening ADDRESS [CONTROL]". It
// dies with this process.
func Start(cmd *exec.Cmd) (*Child, error) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c := &Child{cmd: cmd, stderr: &tail{}, ended: make(chan struct{})}
	cmd.Stderr = c.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := make(chan string, 1)
	go func() {
		defer close(c.ended)
		scanner := bufio.NewScanner(out)
		for scanner.Scan() {
			if line := scanner.Text(); strings.HasPrefix(line, "listening ") {
				lines <- line
				break
			}
		}
		io.Copy(io.Discard, out) //nolint:errcheck // it ends with the process
		cmd.Wait()               //nolint:errcheck // Stop kills it
	}()
	select {
	case line := <-lines:
		if err := c.locate(line); err != nil {
			c.Stop()
			return nil, err
		}
		return c, nil
	case <-c.ended:
		return nil, fmt.Errorf("it exited at once: %s", c.stderr)
	case <-time.After(startLimit):
		c.Stop()
		return nil, fmt.Errorf("it did not listen within %s: %s", startLimit, c.stderr)
	}
}

func (c *Child) locate(line string) (err error) {
	words := strings.Fields(line)
	if c.Address, err = netip.ParseAddrPort(strings.TrimPrefix(words[1], "http://")); err != nil {
		return fmt.Errorf("%q: %w", line, err)
	}
	if len(words) > 2 {
		c.Control = words[2]
	}
	return nil
}

// Stop kills the process and waits for it.
func (c *Child) Stop() {
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return
	}
	<-c.ended
}

// Stderr returns the end of the server's log.
func (c *Child) Stderr() string { return c.stderr.String() }
