package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wirepost/wirepost/client"
)

// process is the real server program, which is killed and restarted with one directory. It
// has another port each time; the dialer uses the latest.
type process struct {
	t       *testing.T
	binary  string
	dir     string
	host    string
	cmd     *exec.Cmd
	address atomic.Value // string
}

// buildServer builds the program, once for all tests.
var buildServer = sync.OnceValues(func() (binary string, err error) {
	binary = filepath.Join(buildDir, "wirepost")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	out, err := exec.Command("go", "build", "-o", binary, "../cmd/wirepost").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, err
})

func newProcess(t *testing.T) *process {
	t.Helper()
	binary, err := buildServer()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, binary: binary, dir: t.TempDir(), host: ownHost()}
	p.address.Store("")
	p.start()
	t.Cleanup(p.kill)
	return p
}

var ownHosts atomic.Int32

// ownHost is a loopback address of one process: while its server is dead, no server of
// another test must get its port, and with it its clients.
func ownHost() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1" // the only one
	}
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", pid>>8&0xff, pid&0xff, 1+ownHosts.Add(1)%254)
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.binary, "dev", "--listen", p.host+":0", "--data", p.dir)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	stuck := time.AfterFunc(2*time.Minute, func() { p.cmd.Process.Kill() }) //nolint:errcheck // it may have exited
	defer stuck.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "listening http://"); ok {
			p.address.Store(url)
			go io.Copy(io.Discard, out) //nolint:errcheck // until the process ends
			return
		}
	}
	p.t.Fatal("the server did not start")
}

// kill sends SIGKILL and waits.
func (p *process) kill() {
	p.cmd.Process.Kill() //nolint:errcheck // it may have exited
	p.cmd.Wait()         //nolint:errcheck // it was killed
}

func (p *process) dialer(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, p.address.Load().(string))
}

// backend returns a Backend of the process, whatever its address is at the moment.
func (p *process) backend(t testing.TB, o client.BackendOptions) *client.Backend {
	t.Helper()
	o.HTTP = &http.Client{Transport: transportOver(t, p.dialer)}
	b, err := client.NewBackend("http://127.0.0.1:1", o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	quick  = 2 * time.Millisecond // retry pauses, for short rounds
	slower = 50 * time.Millisecond
)

// receiver is a program that handles messages. It is restarted with the same file.
type receiver struct {
	t       *testing.T
	p       *process
	path    string
	handled atomic.Int64 // the last number; none before it was missed
	more    chan struct{}
}

// follow handles messages until the context is done, and closes the client.
func (r *receiver) follow(ctx context.Context) {
	store, err := client.OpenFile(r.path)
	if err != nil {
		r.t.Error(err)
		return
	}
	c, err := client.Dial(ctx, "ws://127.0.0.1:1/ws?user=42", client.Options{
		Store: store, DialContext: r.p.dialer, MinWait: quick, MaxWait: slower,
		OnEvent: func(e client.Event) {
			if connected, ok := e.(client.Connected); ok {
				r.t.Logf("after %d: %+v", r.handled.Load(), connected)
			} else if gap, ok := e.(client.Gap); ok {
				r.t.Errorf("after %d: %+v", r.handled.Load(), gap)
			}
		},
	})
	if err != nil {
		if ctx.Err() == nil {
			r.t.Error(err)
		}
		return
	}
	defer c.Close()
	for msg, err := range c.Messages(ctx) {
		if err != nil {
			if ctx.Err() == nil {
				r.t.Error(err)
			}
			return
		}
		want := fmt.Sprint(r.handled.Load() + 1)
		if string(msg.Data) != want {
			r.t.Errorf("got %s (%d after %d), want %s", msg.Data, msg.Seq, msg.Prev, want)
			return
		}
		r.handled.Add(1)
		select {
		case r.more <- struct{}{}:
		default:
		}
	}
}

// wait waits until n more messages were handled.
func (r *receiver) wait(upTo int64) {
	timeout := time.After(2 * time.Minute) // it only keeps the test from hanging
	for r.handled.Load() < upTo && !r.t.Failed() {
		select {
		case <-r.more:
		case <-timeout:
			r.t.Fatalf("only %d of %d messages arrived", r.handled.Load(), upTo)
		}
	}
}

// TestKill: the server is killed in the middle of a stream of pushes, and the receiving
// program is stopped and restarted in between. The handler gets each message once, in
// order.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	p := newProcess(t)
	backend := p.backend(t, client.BackendOptions{MinWait: quick, MaxWait: slower})
	pushing, stopPushing := context.WithCancel(t.Context())
	defer stopPushing()
	stream := backend.Stream(t.Context())
	r := &receiver{t: t, p: p, path: filepath.Join(t.TempDir(), "bookmark"), more: make(chan struct{}, 1)}
	pushed := make(chan int)
	go func() { pushed <- pushAll(pushing, t, stream, r) }()

	var stop context.CancelFunc
	var gone chan struct{}
	begin := func() {
		var ctx context.Context
		ctx, stop = context.WithCancel(t.Context())
		gone = make(chan struct{})
		go func(gone chan struct{}) { defer close(gone); r.follow(ctx) }(gone)
	}
	begin()
	for round := range rounds {
		r.wait(r.handled.Load() + 1 + rand.Int64N(1000))
		p.kill()
		if round%4 == 3 { // before the last acknowledgements were sent
			stop()
			<-gone
			begin()
		}
		p.start()
	}
	stopPushing()
	n := <-pushed
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	r.wait(int64(n))
	stop()
	<-gone
	t.Logf("%d messages, the server was started %d times", n, rounds+1)
	if got := r.handled.Load(); got != int64(n) {
		t.Errorf("%d messages were pushed, %d arrived", n, got)
	}
}

// maxAhead is how many messages the pusher may be ahead of the receiver. A channel keeps
// 100 000, and a receiver that is further behind gets a gap.
const maxAhead = 20_000

// pushAll pushes numbers until the context is done, and returns how many.
func pushAll(ctx context.Context, t *testing.T, stream *client.Stream, r *receiver) (n int) {
	for ; ctx.Err() == nil; n++ {
		_, err := stream.Push(ctx, client.Push{To: "user:42", Data: fmt.Append(nil, n+1)})
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the stream ended after %d pushes: %v", n, err)
			}
			return n
		}
		for int64(n)-r.handled.Load() > maxAhead && ctx.Err() == nil {
			sleepFor(ctx, time.Millisecond)
		}
	}
	return n
}

// sleepFor sleeps, unless the context is done.
func sleepFor(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}
