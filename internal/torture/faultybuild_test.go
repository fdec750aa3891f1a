//go:build unix

package torture

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A program that was built by buildFaulty has a wall clock and a disk of its own: the time
// in clockVariable is added to that of the machine, and each write to a file and each sync
// takes the time in diskVariable longer. Only the standard library is changed (the flag
// -overlay of go build), so everything in the program has that clock and disk, and the
// program that is released knows nothing of it.
const (
	clockVariable = "TORTURE_CLOCK"
	diskVariable  = "TORTURE_DISK"
)

// patches are the changes of the standard library: in each file, a line goes before or
// after every occurrence of another one.
var patches = []struct{ file, line, before, after string }{
	{"time/time.go", "\tsec, nsec, mono := runtimeNow()\n", "", "\tsec += ahead()\n"},
	{"internal/poll/fd_unix.go", "\tif err := fd.writeLock(); err != nil {\n", "\tfd.slow()\n", ""},
	{"internal/poll/fd_fsync_posix.go", "\treturn ignoringEINTR(func() error {\n", "\tfd.slow()\n", ""},
}

// additions are the new files of the standard library.
var additions = map[string]string{
	"time/ahead.go": `package time

import (
	"sync"
	"syscall"
)

var ahead = sync.OnceValue(func() int64 {
	text, _ := syscall.Getenv("` + clockVariable + `")
	d, _ := ParseDuration(text)
	return int64(d / Second)
})
`,
	"internal/poll/slow.go": `package poll

import (
	"sync"
	"syscall"
	"time"
)

var delay = sync.OnceValue(func() time.Duration {
	text, _ := syscall.Getenv("` + diskVariable + `")
	d, _ := time.ParseDuration(text)
	return d
})

func (fd *FD) slow() {
	if d := delay(); d > 0 && fd.isFile {
		time.Sleep(d)
	}
}
`,
}

// overlay writes the changed files of the standard library, and returns the file that
// names them for go build.
var overlay = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(out)), "src")
	files := make(map[string]string) // name and content
	for name, text := range additions {
		files[name] = text
	}
	for _, p := range patches {
		text, err := os.ReadFile(filepath.Join(source, p.file))
		if err != nil {
			return "", err
		}
		changed := strings.ReplaceAll(string(text), p.line, p.before+p.line+p.after)
		if changed == string(text) {
			return "", fmt.Errorf("%s of this version of Go has no line %q", p.file, p.line)
		}
		files[p.file] = changed
	}
	replace := make(map[string]string)
	for name, text := range files {
		to := filepath.Join(buildDir, strings.ReplaceAll(name, "/", "-"))
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(source, name)] = to
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	name := filepath.Join(buildDir, "overlay.json")
	return name, os.WriteFile(name, list, 0o600)
})

// buildFaulty builds a package's program with the changes.
func buildFaulty(name, pkg string) (binary string, err error) {
	changes, err := overlay()
	if err != nil {
		return "", err
	}
	binary = filepath.Join(buildDir, name+"-faulty")
	out, err := exec.Command("go", "build", "-overlay", changes, "-o", binary, pkg).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

var buildFaultyNode = sync.OnceValues(func() (string, error) { return buildFaulty("wirepost", "../../cmd/wirepost") })

// machine is what a process of a faulty program gets from its machine.
type machine struct {
	clock time.Duration // added to the time
	disk  time.Duration // of each write and sync
}

func (m machine) environment() []string {
	return []string{clockVariable + "=" + m.clock.String(), diskVariable + "=" + m.disk.String()}
}
