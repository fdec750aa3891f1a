package jetstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine/cluster"
	"github.com/wirepost/wirepost/engine/cluster/jetstream"
)

// child is a server in a process of its own, which can be killed.
type child struct{ cmd *exec.Cmd }

// startChild starts one of the servers as a process.
func (c *trio) startChild(t *testing.T, i int) *child {
	t.Helper()
	args := []string{fmt.Sprint(i), c.dir}
	for _, route := range c.routes {
		args = append(args, route.Host)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "JETSTREAM_CHILD="+strings.Join(args, " "))
	stdin, err := cmd.StdinPipe() // it ends when this process does
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	p := &child{cmd}
	t.Cleanup(p.kill)
	return p
}

func (p *child) kill() {
	p.cmd.Process.Kill() //nolint:errcheck // it may be dead
	p.cmd.Wait()         //nolint:errcheck // it was killed
}

// runChild is the process of startChild.
func runChild(args string) {
	words := strings.Fields(args)
	i, _ := strconv.Atoi(words[0])
	c := &trio{dir: words[1], logger: quiet}
	for _, host := range words[2:] {
		c.routes = append(c.routes, &url.URL{Scheme: "nats-route", Host: host})
	}
	if err := c.start(i); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	io.Copy(io.Discard, os.Stdin) //nolint:errcheck // it waits for the end
	os.Exit(0)
}

// load is what nodes propose and follow.
type load struct {
	t *testing.T

	mu      sync.Mutex
	acked   map[string]bool
	last    time.Time     // of an acknowledgement
	longest time.Duration // between two
	wake    chan struct{} // closed with each acknowledgement

	running sync.WaitGroup
}

func startLoad(t *testing.T) *load {
	return &load{t: t, acked: map[string]bool{}, last: time.Now(), wake: make(chan struct{})}
}

// propose proposes numbered entries until ctx is done.
func (d *load) propose(ctx context.Context, l *jetstream.Log, name string) {
	for i := 0; ctx.Err() == nil; i++ {
		data := fmt.Sprint(name, " ", i)
		for {
			attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
			err := l.Propose(attempt, 0, []byte(data))
			cancel()
			if err == nil {
				d.ack(data)
				break
			}
			if ctx.Err() != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func (d *load) ack(data string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acked[data] = true
	d.longest = max(d.longest, time.Since(d.last))
	d.last = time.Now()
	close(d.wake)
	d.wake = make(chan struct{})
}

// restart begins a new measurement, and returns the last one.
func (d *load) restart() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	longest := d.longest
	d.longest = 0
	return longest
}

// follow follows a log until ctx is done. Nothing that happens to a server may end that.
func (d *load) follow(ctx context.Context, l *jetstream.Log) {
	at := uint64(0)
	for entry, err := range l.Follow(ctx, 0, 0) {
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			d.t.Errorf("following failed: %v", err)
			return
		case entry.Position != at+1:
			d.t.Errorf("position %d follows %d", entry.Position, at)
			return
		}
		at = entry.Position
	}
}

// await waits for n further acknowledgements.
func (d *load) await(n int) {
	d.t.Helper()
	for range n {
		d.mu.Lock()
		wake := d.wake
		d.mu.Unlock()
		select {
		case <-wake:
		case <-time.After(patience):
			d.t.Fatal("no acknowledgement")
		}
	}
}

// check compares what is in the log at each node, and looks for what was acknowledged.
func (d *load) check(logs ...*jetstream.Log) {
	d.t.Helper()
	first, last, err := logs[0].Bounds(d.t.Context(), 0)
	if err != nil || first != 1 {
		d.t.Fatalf("the log begins at %d, %v", first, err)
	}
	var want []cluster.Entry
	for i, l := range logs {
		var all []cluster.Entry
		for entry, err := range l.Follow(d.t.Context(), 0, 0) {
			if err != nil {
				d.t.Fatal(err)
			}
			all = append(all, entry)
			if entry.Position != uint64(len(all)) {
				d.t.Fatalf("log %d: position %d follows %d entries", i, entry.Position, len(all)-1)
			}
			if entry.Position == last {
				break
			}
		}
		if i == 0 {
			want = all
		}
		for k, entry := range all {
			if w := want[k]; string(entry.Data) != string(w.Data) || entry.Time != w.Time {
				d.t.Fatalf("log %d differs at position %d: %q and %q", i, entry.Position, entry.Data, w.Data)
			}
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	there := map[string]bool{}
	for _, entry := range want {
		there[string(entry.Data)] = true
	}
	for data := range d.acked {
		if !there[data] {
			d.t.Errorf("%q was acknowledged and is not in the log", data)
		}
	}
}

// TestFailover kills the server that leads a stream while entries are proposed and followed at
// the others. Then another one comes back with an empty directory, and all are stopped.
func TestFailover(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for elections")
	}
	t.Parallel()
	c, err := newTrio(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.closeAll)
	third := c.startChild(t, 2)
	if err := errors.Join(c.start(0), c.start(1)); err != nil {
		t.Fatal(err)
	}
	logs := []*jetstream.Log{c.open(t, 0, "test", 1), c.open(t, 1, "test", 1)}
	d := startLoad(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i, l := range logs {
		d.running.Go(func() { d.propose(ctx, l, fmt.Sprint("node", i)) })
		d.running.Go(func() { d.follow(ctx, l) })
	}
	d.await(50)
	limited, end := context.WithTimeout(t.Context(), patience)
	jetstream.Lead(limited, logs[0], 0, "c", c.servers[0], c.servers[1])
	if end(); errors.Is(limited.Err(), context.DeadlineExceeded) {
		t.Fatal("the server does not become the leader")
	}
	d.await(50)
	d.restart()
	third.kill()
	d.await(50)
	if longest := d.restart(); longest > time.Minute {
		t.Errorf("no acknowledgement for %v after the leader was killed", longest)
	} else {
		t.Logf("the leader was killed: no acknowledgement for %v", longest)
	}
	if leader := logs[0].Leaders()[0]; leader != "a" && leader != "b" {
		t.Errorf("the leader is %q", leader)
	}
	if err := c.start(2); err != nil {
		t.Fatal(err)
	}
	logs = append(logs, c.open(t, 2, "test", 1))
	cancel()
	d.running.Wait()
	d.check(logs...)

	c.close(1)
	if err := os.RemoveAll(c.options(1).Dir); err != nil {
		t.Fatal(err)
	}
	if err := c.start(1); err != nil {
		t.Fatal(err)
	}
	logs[1] = c.open(t, 1, "test", 1)
	d.check(logs...)

	c.closeAll()
	if err := c.startAll(); err != nil {
		t.Fatal(err)
	}
	for i := range logs {
		logs[i] = c.open(t, i, "test", 1)
	}
	d.check(logs...)
}
