// Package trial runs the examples as a user does, for their tests:
//
//	func TestMain(m *testing.M) { trial.Main(m, main) }
//
//	func TestEcho(t *testing.T) {
//		p := trial.Start(t)
//		page := p.Dial("/ws")
//		page.Send("hello")
//		page.Expect("hello")
//	}
package trial

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// patience limits every wait of a test.
const patience = 30 * time.Second

// Main runs the tests, or, in a process started by Start, the program.
func Main(m interface{ Run() int }, program func()) {
	if os.Getenv("EXAMPLE") != "" {
		program()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Program is an example that runs in its own process.
type Program struct {
	URL string // http://127.0.0.1:PORT

	t   testing.TB
	cmd *exec.Cmd
}

// Start runs the program of the test's package with these arguments, on a free port,
// until the test ends or Stop is called. It uses the race detector if the test does.
func Start(t testing.TB, args ...string) *Program {
	t.Helper()
	p := &Program{t: t}
	p.cmd = exec.Command(os.Args[0], append([]string{"-listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Env = append(os.Environ(), "EXAMPLE=1", "GIN_MODE=release")
	p.cmd.Stderr = t.Output()
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	address := regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	lines := bufio.NewReader(out)
	for p.URL == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the program says no address: %v", err)
		}
		p.URL = address.FindString(line)
	}
	go io.Copy(t.Output(), lines) //nolint:errcheck // it stops with the process
	return p
}

// Stop stops the program with Ctrl-C and checks that it exits cleanly.
func (p *Program) Stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("the program ended with: %v", err)
	}
}

// Kill stops the program with kill -9, if it still runs.
func (p *Program) Kill() {
	p.cmd.Process.Kill() //nolint:errcheck // it may have exited
	p.cmd.Wait()         //nolint:errcheck // and may have been waited for
}

// Request makes an HTTP request and returns status and body.
func (p *Program) Request(method, path, body string) (int, string) {
	p.t.Helper()
	return Request(p.t, method, p.URL+path, body)
}

// Request makes an HTTP request and returns status and body.
func Request(t testing.TB, method, url, body string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(got)
}

// Dial connects a WebSocket that offers the subprotocols.
func (p *Program) Dial(path string, subprotocols ...string) *Conn {
	p.t.Helper()
	return Dial(p.t, p.URL+path, subprotocols...)
}

// Conn is the client side of a WebSocket. Its methods fail the test on errors.
type Conn struct {
	*websocket.Conn
	Pings <-chan struct{} // one per ping, which is answered by the Read that received it

	t testing.TB
}

// Dial connects a WebSocket that offers the subprotocols. It is closed with the test.
func Dial(t testing.TB, url string, subprotocols ...string) *Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pings := make(chan struct{}, 100)
	c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		Subprotocols: subprotocols,
		OnPingReceived: func(context.Context, []byte) bool {
			pings <- struct{}{}
			return true
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	t.Cleanup(func() { c.CloseNow() })
	return &Conn{c, pings, t}
}

// Send sends a text message.
func (c *Conn) Send(text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatalf("send %q: %v", text, err)
	}
}

// Next waits for a message.
func (c *Conn) Next() string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, data, err := c.Read(ctx)
	if err != nil {
		c.t.Fatalf("wait for a message: %v", err)
	}
	return string(data)
}

// Expect waits for exactly these messages.
func (c *Conn) Expect(want ...string) {
	c.t.Helper()
	for _, text := range want {
		if got := c.Next(); got != text {
			c.t.Fatalf("got %q, want %q", got, text)
		}
	}
}

// ExpectClose waits until the connection is closed and checks the close code.
func (c *Conn) ExpectClose(code int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, _, err := c.Read(ctx)
		if err == nil {
			continue
		}
		if got := websocket.CloseStatus(err); int(got) != code {
			c.t.Fatalf("the connection ended with %v, want %d", err, code)
		}
		return
	}
}

// Until waits until a condition holds.
func Until(t testing.TB, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}
