package client_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wirepost/wirepost/client"
)

const (
	// If urlVar and fileVar are set, the test binary, started by itself, is a program
	// that receives until it is killed.
	urlVar  = "WIREPOST_CHILD_URL"
	fileVar = "WIREPOST_CHILD_FILE"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(urlVar); url != "" {
		fmt.Fprintln(os.Stderr, receive(url, os.Getenv(fileVar)))
		os.Exit(1)
	}
	os.Exit(runTests(m))
}

// buildDir is where buildServer builds.
var buildDir string

func runTests(m *testing.M) int {
	var err error
	if buildDir, err = os.MkdirTemp("", "wirepost"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(buildDir)
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// receive prints each message it handles.
func receive(url, path string) error {
	store, err := client.OpenFile(path)
	if err != nil {
		return err
	}
	c, err := client.Dial(context.Background(), url, client.Options{Store: store})
	if err != nil {
		return err
	}
	for msg, err := range c.Messages(context.Background()) {
		if err != nil {
			return err
		}
		if _, err := fmt.Println(string(msg.Data)); err != nil {
			return err
		}
	}
	return nil
}

// TestProgramKilled: a receiving program that is killed and restarted with its file handles
// again at most the message that it was handling.
func TestProgramKilled(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	const perRound = 2000
	p := newProcess(t)
	backend := p.backend(t, client.BackendOptions{})
	stream := backend.Stream(t.Context())
	for i := range rounds * perRound {
		if _, err := stream.Push(t.Context(), client.Push{To: "user:42", Data: fmt.Append(nil, i+1)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("ws://%s/ws?user=42", p.address.Load())
	file := filepath.Join(t.TempDir(), "bookmark")
	handled, repeated := 0, 0
	for round := range rounds {
		stop := handled + 1 + rand.IntN(perRound)
		if round == rounds-1 {
			stop = rounds * perRound
		}
		for i, n := range runProgram(t, url, file, stop) {
			switch {
			case n == handled+1:
				handled = n
			case n == handled && i == 0:
				repeated++
			default:
				t.Fatalf("round %d: %d was handled after %d", round, n, handled)
			}
		}
	}
	t.Logf("%d messages in %d runs, of which %d repeated the last message of the previous run", handled, rounds, repeated)
	if handled != rounds*perRound {
		t.Errorf("%d of %d were handled", handled, rounds*perRound)
	}
}

// runProgram starts the program, kills it when it has handled the number stop, and returns
// everything it has handled.
func runProgram(t *testing.T, url, file string, stop int) (handled []int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self, "-test.run=^$")
	child.Env = append(os.Environ(), urlVar+"="+url, fileVar+"="+file)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	patience := time.AfterFunc(2*time.Minute, func() { child.Process.Kill() }) //nolint:errcheck // it may have ended
	defer patience.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var n int
		fmt.Sscan(lines.Text(), &n) //nolint:errcheck // then n is 0, which fails the test
		if handled = append(handled, n); n >= stop {
			child.Process.Kill() //nolint:errcheck // it may have ended
		}
	}
	child.Wait() //nolint:errcheck // it was killed
	return handled
}
