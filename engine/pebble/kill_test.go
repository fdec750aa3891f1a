package pebble_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/wirepost/wirepost/engine/pebble"
)

const (
	// childVar names the directory in which the test binary, started again by
	// itself, is to append until it is killed; firstVar is its first publisher.
	childVar = "WIREPOST_CHILD_DIR"
	firstVar = "WIREPOST_CHILD_FIRST"
	// roundsVar is how many rounds the kill test makes, instead of a few.
	roundsVar = "WIREPOST_KILL_ROUNDS"
)

const childPublishers = 32

// childMain appends to the store in a directory and reports every acknowledgement
// on standard output.
func childMain(dir string) error {
	first, err := strconv.Atoi(os.Getenv(firstVar))
	if err != nil {
		return err
	}
	e, err := pebble.Open(dir, pebble.Options{Logger: quiet, MemTableBytes: 1 << 20})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	pushAll(e, first, childPublishers, nil, func(a ack) {
		mu.Lock()
		defer mu.Unlock()
		if _, err := fmt.Println(a); err != nil {
			panic(err)
		}
	})
	return fmt.Errorf("an append failed: %w", e.Close())
}

// runChild has a child append in a directory until it has reported so many
// acknowledgements; then it calls end, and kills the child. What was reported from
// end on is marked as late.
func runChild(t *testing.T, dir string, first, acknowledged int, end func()) []ack {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self, "-test.run=^$")
	child.Env = append(os.Environ(), childVar+"="+dir, firstVar+"="+strconv.Itoa(first))
	var failure bytes.Buffer
	child.Stderr = &failure
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var report bytes.Buffer
	in := io.TeeReader(out, &report)
	for lines, b := 0, make([]byte, 4<<10); lines < acknowledged; {
		n, err := in.Read(b)
		lines += bytes.Count(b[:n], []byte("\n"))
		if err != nil {
			t.Fatalf("the child ended early: %v\n%s", err, failure.String())
		}
	}
	early := report.Len()
	end()
	_ = child.Process.Kill()
	_, _ = io.Copy(io.Discard, in) // what it had written before it died
	_ = child.Wait()
	acks := readAcks(bytes.NewReader(report.Bytes()))
	for i := len(readAcks(bytes.NewReader(report.Bytes()[:early]))); i < len(acks); i++ {
		acks[i].late = true
	}
	return acks
}

// A process is killed in the middle of its appends, and the next one goes on in
// the same store.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := max(6/pebble.Stride, 2)
	if n, err := strconv.Atoi(os.Getenv(roundsVar)); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	var acks []ack
	for round := range rounds {
		acks = append(acks, runChild(t, dir, round*childPublishers, 1+rand.IntN(6000/min(pebble.Stride, 10)), func() {})...)
		for i := range acks {
			acks[i].late = false // the disk goes on when a process is killed
		}
		verifyDir(t, dir, acks)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
}

func verifyDir(t *testing.T, dir string, acks []ack) {
	t.Helper()
	e, err := pebble.Open(dir, pebble.Options{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	verify(t, e, acks)
}
