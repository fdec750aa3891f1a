package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// moduleDir returns the directory of a required module, from the go command.
func moduleDir(path string) (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", path).Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w (the benchmark runs in its own folder)", path, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// socketIO returns the command of the Socket.IO server. Its dependencies are
// installed on first use.
func socketIO() (*exec.Cmd, error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("socketio is %w: %s is not installed", errSkip, tool)
		}
	}
	dir, err := moduleDir("github.com/wirepost/wirepost/bench")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "socket.io")); err != nil {
		install := exec.Command("npm", "ci", "--no-audit", "--no-fund")
		install.Dir = dir
		if out, err := install.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("socketio is %w: npm ci: %w: %s", errSkip, err, out)
		}
	}
	return exec.Command("node", "--expose-gc", filepath.Join(dir, "socketio.js")), nil
}

// binaryDir is the directory created by binary and removed by removeBinary.
var binaryDir string

func removeBinary() {
	if binaryDir != "" {
		os.RemoveAll(binaryDir)
	}
}

// givenBinary is the wirepost command if it is not to be built, such as that of another
// version to compare with.
var givenBinary string

// binary returns the wirepost command, which is built once per run.
var binary = sync.OnceValues(func() (string, error) {
	if givenBinary != "" {
		return givenBinary, nil
	}
	root, err := moduleDir("github.com/wirepost/wirepost")
	if err != nil {
		return "", err
	}
	if binaryDir, err = os.MkdirTemp("", "wirepost-bench-bin-"); err != nil {
		return "", err
	}
	path := filepath.Join(binaryDir, "wirepost")
	build := exec.Command("go", "build", "-trimpath", "-o", path, "./cmd/wirepost")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/wirepost: %w: %s", err, out)
	}
	return path, nil
})

// warnOfMemoryDisk warns if an fsync costs nothing.
func warnOfMemoryDisk(dir string) {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) == nil && fs.Type == unix.TMPFS_MAGIC {
		fmt.Fprintf(os.Stderr, "%s is in memory: durable pushes look cheaper than they are; give a -dir on a disk\n", dir)
	}
}
