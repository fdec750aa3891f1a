package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Idle connections exceed the process's limit on open files while a backend pushes
// messages of 1 MiB, for which the store opens one log after another. Every push is
// stored, and clients can connect again after the idle connections are closed.
func TestStrangersTakeNoFilesOfTheStore(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{80, 256} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			starve(t, limit)
		})
	}
}

func starve(t *testing.T, limit int) {
	server := exec.Command("sh", "-c", fmt.Sprintf(`ulimit -n %d && exec wirepost "$@"`, limit), "sh",
		"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--max-message", "2MiB",
		"--api-key", strings.Repeat("k", 32), "--token-secret", strings.Repeat("s", 32))
	var log output
	server.Stderr = &log
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	defer func() {
		if !ended {
			server.Process.Kill() //nolint:errcheck // the test has failed
			server.Wait()         //nolint:errcheck // likewise
		}
		if t.Failed() {
			text, _ := log.read()
			t.Log(text)
		}
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening http://")
	if err != nil || !ok {
		t.Fatalf("%q, %v", line, err)
	}

	data := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(data) //nolint:errcheck // it never fails
	push := func(c *http.Client) (int, error) {
		r, err := http.NewRequest("POST", "http://"+address+"/v1/push/user:42", bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+strings.Repeat("k", 32))
		r.Header.Set("Content-Type", "application/octet-stream")
		response, err := c.Do(r)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		io.Copy(io.Discard, response.Body) //nolint:errcheck // the status is what counts
		return response.StatusCode, nil
	}
	backend := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer backend.CloseIdleConnections()
	if status, err := push(backend); err != nil || status != http.StatusAccepted {
		t.Fatalf("first push: %d, %v", status, err)
	}

	var strangers []net.Conn
	leave := func() {
		for _, c := range strangers {
			c.Close()
		}
		strangers = nil
	}
	defer leave()
	for range limit + 50 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		strangers = append(strangers, c)
	}
	// The last one has been refused, so all before it have been processed.
	last := strangers[len(strangers)-1]
	last.SetReadDeadline(time.Now().Add(time.Minute)) //nolint:errcheck // it is open
	if _, err := last.Read(make([]byte, 1)); err == nil {
		t.Fatal("a stranger was told something")
	}
	for i := range 40 {
		if status, err := push(backend); err != nil || status != http.StatusAccepted {
			t.Fatalf("push %d: %d, %v", i, status, err)
		}
	}
	leave()
	var status int
	for begun := time.Now(); status != http.StatusAccepted; {
		another := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		if status, err = push(another); time.Since(begun) > time.Minute {
			t.Fatalf("push after the strangers left: %d, %v", status, err)
		}
	}
	server.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait tells
	ended = true
	if err := server.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}
