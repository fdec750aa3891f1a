package js_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// binary is the real program, built once for all tests.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "wirepost.exe") // a name that works everywhere
	out, err := exec.Command("go", "build", "-o", path, "../cmd/wirepost").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// scratch is a directory shared by all tests; TestMain creates and removes it.
var scratch string

// server is the real program behind a gate, so that its address stays the same when it is
// killed and restarted.
type server struct {
	t    *testing.T
	args []string
	cmd  *exec.Cmd
	gate *gate
}

// serve starts the program with these arguments and its own store.
func serve(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{t: t, gate: openGate(t)}
	s.args = append(args, "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "store"))
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.t.Helper()
	path, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = exec.Command(path, s.args...)
	var log bytes.Buffer
	s.cmd.Stderr = &log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	stuck := time.AfterFunc(2*time.Minute, func() { s.cmd.Process.Kill() }) //nolint:errcheck // it may have exited
	defer stuck.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "listening http://"); ok {
			s.gate.backend.Store(address)
			go io.Copy(io.Discard, out) //nolint:errcheck // ends with the process
			return
		}
	}
	s.cmd.Wait() //nolint:errcheck // the log has the reason
	s.t.Fatalf("the server did not start:\n%s", log.String())
}

// kill is kill -9.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill() //nolint:errcheck // it may have exited
	s.cmd.Wait()         //nolint:errcheck // it was killed
	s.cmd = nil
}

// stop shuts the server down and waits for it.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Errorf("the server ended: %v", err)
	}
	s.cmd = nil
}

// url returns a URL at the gate.
func (s *server) url(path string) string { return "http://" + s.gate.address() + path }

// push pushes a text and reports whether the push succeeded.
func (s *server) push(to, text string) bool { return s.post(to, "text/plain", text) }

func (s *server) post(to, contentType, body string) bool {
	return s.request("POST", "/v1/push/"+to, contentType, body)
}

// request makes a request of the HTTP API and reports whether it succeeded.
func (s *server) request(method, path, contentType, body string) bool {
	address, _ := s.gate.backend.Load().(string)
	r, err := http.NewRequest(method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", "Bearer "+apiKey)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode < 300
}

// mustPush pushes numbered texts.
func (s *server) mustPush(to string, texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		if !s.push(to, text) {
			s.t.Fatalf("push %q failed", text)
		}
	}
}

// mustPushNotes pushes JSON objects with these texts.
func (s *server) mustPushNotes(to string, texts ...string) {
	s.t.Helper()
	for _, text := range texts {
		if !s.post(to, "application/json", fmt.Sprintf(`{"text":%q}`, text)) {
			s.t.Fatalf("push %q failed", text)
		}
	}
}

const apiKey = "the-key-of-the-tests"

// gate forwards TCP connections to a server that may change, or to none.
type gate struct {
	listener net.Listener
	backend  atomic.Value // string
	work     sync.WaitGroup
	mu       struct {
		sync.Mutex
		open map[net.Conn]bool // whether it is frozen
	}
}

func openGate(t *testing.T) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{listener: l}
	g.mu.open = map[net.Conn]bool{}
	g.work.Go(g.accept)
	t.Cleanup(g.close)
	return g
}

func (g *gate) address() string { return g.listener.Addr().String() }

// freeze stops forwarding on the present connections: they stay open but are dead, as
// behind a router that has lost its connection table.
func (g *gate) freeze() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.mu.open {
		g.mu.open[c] = true
	}
}

func (g *gate) isFrozen(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.open[c]
}

func (g *gate) accept() {
	for {
		c, err := g.listener.Accept()
		if err != nil {
			return
		}
		g.work.Go(func() { g.pass(c) })
	}
}

// pass copies in both directions until one end closes.
func (g *gate) pass(front net.Conn) {
	defer front.Close()
	address, _ := g.backend.Load().(string)
	back, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer back.Close()
	g.mu.Lock()
	g.mu.open[front] = false
	g.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { g.copy(back, front, front) })
	both.Go(func() { g.copy(front, back, front) })
	both.Wait()
	g.mu.Lock()
	delete(g.mu.open, front)
	g.mu.Unlock()
}

// copy copies until an error and then closes the destination, unless the connection is
// frozen: then the peer is not notified.
func (g *gate) copy(to, from, front net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !g.isFrozen(front) {
			if n > 0 {
				to.Write(buffer[:n]) //nolint:errcheck // the next read fails
			}
			if err != nil {
				to.Close()
			}
		}
		if err != nil {
			return
		}
	}
}

func (g *gate) close() {
	g.listener.Close()
	g.mu.Lock()
	for c := range g.mu.open {
		c.Close()
	}
	g.mu.Unlock()
	g.work.Wait()
}
