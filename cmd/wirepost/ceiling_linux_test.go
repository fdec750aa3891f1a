//go:build linux && !race

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A process stays under --memory whatever backends send: here more than fits, in one
// bulk stream and in eight at once.
func TestCeiling(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		memory  string
		ceiling int64
		streams int
	}{
		{"128MiB", 128 * mib, 1},
		{"128MiB", 128 * mib, 8},
		{"256MiB", 256 * mib, 8},
	} {
		t.Run(fmt.Sprintf("%s and %d streams", tt.memory, tt.streams), func(t *testing.T) {
			url, process := startServer(t, "dev", "--listen", "127.0.0.1:0", "--memory", tt.memory)
			const bytes, line = 160 * mib, 60_000
			lines := bytes / line / tt.streams
			var wg sync.WaitGroup
			for i := range tt.streams {
				wg.Go(func() {
					if results := pushLines(t, url, fmt.Sprint("user:", i), lines, line); results != lines {
						t.Errorf("stream %d: %d results for %d lines", i, results, lines)
					}
				})
			}
			wg.Wait()
			// File pages don't count: the kernel frees them under memory pressure.
			if peak := statusOf(t, process, "VmHWM") - statusOf(t, process, "RssFile"); peak > tt.ceiling {
				t.Errorf("%d MiB were in memory", peak/mib)
			}
		})
	}
}

// startServer runs wirepost in a directory of its own until the test ends.
func startServer(t *testing.T, args ...string) (url string, p *os.Process) {
	t.Helper()
	cmd := exec.Command("wirepost", args...)
	cmd.Dir = t.TempDir()
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GO") && !strings.HasPrefix(v, variablePrefix) {
			cmd.Env = append(cmd.Env, v)
		}
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	ended := make(chan error, 1)
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
		if err := <-ended; err != nil || t.Failed() {
			t.Errorf("the server ended with %v\n%s", err, &log)
		}
	})
	if lines.Scan() {
		url, _ = strings.CutPrefix(lines.Text(), "listening ")
	}
	go func() {
		for lines.Scan() { // it must not wait for a reader
		}
		ended <- cmd.Wait()
	}()
	if url == "" {
		t.Fatal("the server did not start")
	}
	return url, cmd.Process
}

// pushLines pushes messages in one stream, and counts the results.
func pushLines(t *testing.T, url, to string, lines, size int) (results int) {
	body := &repeated{text: fmt.Appendf(nil, `{"to":%q,"data":%q}`+"\n", to, strings.Repeat("x", size)), times: lines}
	r, err := http.Post(url+"/v1/push", "application/x-ndjson", body)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer r.Body.Close()
	answers := bufio.NewScanner(r.Body)
	for answers.Scan() {
		results++
	}
	if err := answers.Err(); err != nil {
		t.Error(err)
	}
	return results
}

// repeated reads a text several times.
type repeated struct {
	text  []byte
	at    int
	times int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.times == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text[r.at:])
	if r.at += n; r.at == len(r.text) {
		r.at, r.times = 0, r.times-1
	}
	return n, nil
}

// statusOf is a number of bytes in a process's status.
func statusOf(t *testing.T, p *os.Process, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("the process has no %s", name)
	return 0
}
