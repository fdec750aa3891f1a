package torture

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/testlog"
)

// patience is how long a test waits for an expected event. It does not measure speed: a
// test that waits that long has failed.
const patience = time.Minute

const (
	apiKey      = "torture-api-key-0123456789abcdef"
	tokenSecret = "torture-token-secret-0123456789abcdef"
)

// settings is the configuration of the tested servers: some channels lose messages by
// retention, which causes gaps.
const settings = `channels:
  - pattern: "short:*"
    max_messages: 40
`

// process is the real program, killed and restarted with the same directory.
type process struct {
	t       testing.TB
	binary  string
	dir     string
	more    []string // flags
	env     []string // more of the environment
	files   int      // limit of descriptors; 0: that of this process
	memory  int      // limit of bytes; 0: no limit
	cmd     *exec.Cmd
	address string
	// expected matches lines of the log that are errors, and no faults; nil: there are none.
	expected *regexp.Regexp
	errors   testlog.Buffer
	used     time.Duration // processor time until the last kill
	exited   chan error    // has the result when it has exited
}

// buildDir is the directory in which the program is built, once for all tests.
var buildDir string

var build = sync.OnceValues(func() (binary string, err error) {
	binary = filepath.Join(buildDir, "wirepost")
	out, err := exec.Command("go", "build", "-o", binary, "../../cmd/wirepost").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, err
})

func newProcess(t testing.TB) *process {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, binary: binary, dir: t.TempDir()}
	if err := os.WriteFile(p.config(), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd != nil {
			p.kill()
		}
		p.checkLog()
	})
	return p
}

func (p *process) config() string { return filepath.Join(p.dir, "settings.yaml") }

func (p *process) data() string { return filepath.Join(p.dir, "data") }

// start starts the program and returns its address.
func (p *process) start() string {
	p.t.Helper()
	if err := p.tryStart(); err != nil {
		p.t.Fatalf("the server did not start: %v\n%s", err, p.errors.String())
	}
	return p.address
}

// tryStart is start for a program that may refuse to start.
func (p *process) tryStart() error {
	name, args := p.binary, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--data", p.data(),
		"--config", p.config(), "--api-key", apiKey, "--token-secret", tokenSecret,
		"--heartbeat", "1s", "--ack-delay", "20ms", "--window", "32", "--drain", "3s",
	}, p.more...)
	if p.files > 0 {
		args = append([]string{"-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, p.files), name}, args...)
		name = "/bin/sh"
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stderr = &p.errors
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	stuck := time.AfterFunc(patience, func() { cmd.Process.Kill() }) //nolint:errcheck // it may have exited
	defer stuck.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		url, ok := strings.CutPrefix(lines.Text(), "listening ")
		if !ok {
			continue
		}
		_, p.address, _ = strings.Cut(url, "://")
		p.cmd, p.exited = cmd, make(chan error, 1)
		go func() {
			io.Copy(io.Discard, out) //nolint:errcheck // until the process exits
			p.exited <- cmd.Wait()
		}()
		return nil
	}
	return cmp.Or(cmd.Wait(), errors.New("it exited without an error message"))
}

// over reports whether the program has exited by itself.
func (p *process) over() bool { return len(p.exited) > 0 }

// kill sends SIGKILL.
func (p *process) kill() {
	p.checkMemory()
	p.cmd.Process.Kill() //nolint:errcheck // it may have exited
	<-p.exited
	p.used += p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	p.cmd = nil
}

// drain sends SIGTERM: the program must exit in time, with status 0.
func (p *process) drain() {
	p.t.Helper()
	p.checkMemory()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Error(err)
	}
	select {
	case err := <-p.exited:
		if err != nil {
			p.t.Errorf("the drain ended with %v\n%s", err, p.errors.String())
		}
	case <-time.After(patience):
		p.t.Error("the drain does not end")
		p.cmd.Process.Kill() //nolint:errcheck // it may have exited
		<-p.exited
	}
	p.cmd = nil
}

// checkMemory fails if the program has exceeded its memory limit.
func (p *process) checkMemory() {
	p.t.Helper()
	if p.memory == 0 {
		return
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return // it has exited, or the system has no such file
	}
	var peak int
	if found := peakMemory.FindSubmatch(status); found != nil {
		peak, _ = strconv.Atoi(string(found[1])) //nolint:errcheck // digits
	}
	if peak <<= 10; peak > p.memory {
		p.t.Errorf("the server used %d MiB, the limit is %d", peak>>20, p.memory>>20)
	}
}

var peakMemory = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

var faults = regexp.MustCompile(`panic|fatal error|DATA RACE|level=ERROR`)

// checkLog fails if the program's log reports an internal fault.
func (p *process) checkLog() {
	for line := range strings.Lines(p.errors.String()) {
		if faults.MatchString(line) && (p.expected == nil || !p.expected.MatchString(line)) {
			p.t.Errorf("the server's log: %s", line)
		}
	}
}

// freeAddress returns an address with a port that is not used now, below those that are
// given to outgoing connections.
func freeAddress(t testing.TB, host string) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, 20_000+rand.IntN(10_000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}
