// Package backend tests the backend in Python with a real server and a real browser.
package backend

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/internal/browser"
	"github.com/wirepost/wirepost/internal/signing"
)

func TestMain(m *testing.M) {
	status := browser.With(m).Run()
	for _, dir := range built {
		os.RemoveAll(dir)
	}
	os.Exit(status)
}

// patience limits every wait of a test.
const patience = time.Minute

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// start runs a program that prints "listening", and returns its URL.
func start(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
	})
	lines, address := bufio.NewReader(out), regexp.MustCompile(`^listening .*?(http://127\.0\.0\.1:\d+)`)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%s prints no address: %v", cmd.Path, err)
		}
		if found := address.FindStringSubmatch(line); found != nil {
			go io.Copy(t.Output(), lines) //nolint:errcheck // it ends with the process
			return found[1]
		}
	}
}

func python(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	cmd := exec.Command(path, append([]string{"-B"}, args...)...)
	cmd.Env = append(os.Environ(), "HOOK_SECRET="+secret)
	return cmd
}

// freePort returns an address that was free a moment ago: the backend and the server must
// know each other's before they start.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// site is a running backend and a running server.
type site struct{ backend, wirepost, events string }

// build builds the server, once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "backend-python")
	if err != nil {
		return "", err
	}
	built = append(built, dir)
	program := filepath.Join(dir, "wirepost")
	cmd := exec.Command("go", "build", "-o", program, "./cmd/wirepost")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return program, nil
})

var built []string // directories to be removed

func startSite(t *testing.T) site {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	address := freePort(t)
	s := site{events: filepath.Join(t.TempDir(), "events.log")}
	s.backend = start(t, python(t, "backend.py", "--listen", "127.0.0.1:0", "--wirepost", "http://"+address, "--events", s.events))
	s.wirepost = start(t, exec.Command(program, "dev", "--listen", address, "--engine", "memory", "--allow-origin", s.backend,
		"--hook-url", s.backend+"/hook", "--hook-secret", secret,
		"--events-url", s.backend+"/events", "--events-secret", secret, "--events-grace", "100ms"))
	return s
}

// TestVerifier runs the tests of the verifier.
func TestVerifier(t *testing.T) {
	if out, err := python(t, "-m", "unittest").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestPage logs in, talks, gets a push, and logs out, in a browser.
func TestPage(t *testing.T) {
	s := startSite(t)
	tab := browser.Open(t)
	browser.Language(t, tab, "zh-CN")
	browser.Visit(t, tab, s.backend)
	browser.Wait(t, tab, `document.title === "Python 后端" && document.querySelector("#login button").textContent === "登录"`)
	browser.Language(t, tab, "en")
	browser.Visit(t, tab, s.backend)
	browser.Fill(t, tab, "#login input", "ann")
	browser.Click(t, tab, "#login button")
	browser.Wait(t, tab, `document.querySelector("#state")?.textContent === "connected"`)
	browser.Fill(t, tab, "#text", "hello")
	browser.Click(t, tab, "#say button")
	browser.Wait(t, tab, `log.textContent.includes("ann said 5 characters: hello")`)
	browser.Fill(t, tab, "#text", "time")
	browser.Click(t, tab, "#say button")
	browser.Wait(t, tab, `/\d\d:\d\d:\d\d\n/.test(log.textContent)`)
	resp, err := http.Post(s.wirepost+"/v1/push/user:ann", "text/plain", strings.NewReader("pushed"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("push: %s", resp.Status)
	}
	browser.Wait(t, tab, `log.textContent.includes("pushed")`)
	browser.Click(t, tab, "#logout button")
	browser.Wait(t, tab, `document.querySelector("#login")?.hidden === false`)
	var user struct{ Online int }
	body := get(t, s.wirepost+"/v1/users/ann", http.StatusOK)
	if err := json.Unmarshal([]byte(body), &user); err != nil || user.Online != 0 {
		t.Errorf("after logging out: %s, %v", body, err)
	}
}

// TestStrangers: without a session the backend's text is the refusal, and a request
// without a signature is not answered.
func TestStrangers(t *testing.T) {
	s := startSite(t)
	if body := get(t, s.wirepost+"/poll?wait=0", http.StatusUnauthorized); !strings.Contains(body, "log in first") {
		t.Error(body)
	}
	for _, path := range []string{"/hook", "/events"} {
		resp, err := http.Post(s.backend+path, "application/json", strings.NewReader(`{"type":"connect"}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}

// TestEvents sends batches of events as a server does, one of them twice: the log has each
// event once, also after a restart of the backend.
func TestEvents(t *testing.T) {
	key, err := signing.ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "events.log")
	send := func(backend, body string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, backend+"/events", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		signing.Sign(req.Header, []signing.Secret{key}, signing.NewID(), time.Now(), []byte(body))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Errorf("%s: %s", body, resp.Status)
		}
	}
	first := `{"events":[{"seq":12,"id":"a","type":"user.online","user":"42"},{"seq":14,"id":"b","type":"user.offline","user":"42"}],"next":14}`
	backend := start(t, python(t, "backend.py", "--listen", "127.0.0.1:0", "--events", file))
	send(backend, first)
	send(backend, first)
	again := start(t, python(t, "backend.py", "--listen", "127.0.0.1:0", "--events", file))
	send(again, first)
	send(again, `{"events":[{"seq":1,"id":"c","type":"user.online","user":"7"}],"next":1}`) // of a new store
	text, err := os.ReadFile(file)
	want := `{"seq": 12, "id": "a", "type": "user.online", "user": "42"}
{"seq": 14, "id": "b", "type": "user.offline", "user": "42"}
{"seq": 1, "id": "c", "type": "user.online", "user": "7"}
`
	if err != nil || string(text) != want {
		t.Errorf("%v: %s", err, text)
	}
}

// TestEventsOfServer: the visit of a user is in the log of events.
func TestEventsOfServer(t *testing.T) {
	s := startSite(t)
	plain := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	login, err := plain.Post(s.backend+"/login", "application/x-www-form-urlencoded", strings.NewReader("name=bob"))
	if err != nil {
		t.Fatal(err)
	}
	login.Body.Close()
	cookie, _, _ := strings.Cut(login.Header.Get("Set-Cookie"), ";")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.wirepost+"/poll?wait=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", cookie)
	poll, err := http.DefaultClient.Do(req)
	if err != nil || poll.StatusCode != http.StatusOK {
		t.Fatal(poll, err)
	}
	poll.Body.Close()
	want := []string{"user.online", "session.connected", "session.disconnected", "user.offline"}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(s.events)
		var got []string
		for line := range strings.Lines(string(text)) {
			var e struct{ Type, User string }
			if err := json.Unmarshal([]byte(line), &e); err == nil && e.User == "bob" {
				got = append(got, e.Type)
			}
		}
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("events %v: %v", got, err)
		}
	}
}

// TestV1 calls the backend from a client that speaks wirepost.v1.
func TestV1(t *testing.T) {
	s := startSite(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	plain := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	login, err := plain.Post(s.backend+"/login", "application/x-www-form-urlencoded", strings.NewReader("name=bob"))
	if err != nil {
		t.Fatal(err)
	}
	login.Body.Close()
	cookie, _, _ := strings.Cut(login.Header.Get("Set-Cookie"), ";")
	c, _, err := websocket.Dial(ctx, s.wirepost+"/ws?device=d", &websocket.DialOptions{
		Subprotocols: []string{"wirepost.v1"}, HTTPHeader: http.Header{"Cookie": {cookie}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow() //nolint:errcheck // the test is over
	next := func() string {
		_, data, err := c.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if hello := next(); !strings.Contains(hello, `"user":"bob"`) {
		t.Error(hello)
	}
	for call, want := range map[string]string{
		"whoami": `{"type":"reply","ref":1,"data":{"user":"bob","device":"d"}}`,
		"other":  `{"type":"error","ref":1,"code":"not_found","message":"there is no such method"}`,
	} {
		if err := c.Write(ctx, websocket.MessageText, []byte(`{"type":"call","ref":1,"method":"`+call+`"}`)); err != nil {
			t.Fatal(err)
		}
		if got := next(); strings.ReplaceAll(got, `": "`, `":"`) != want {
			t.Errorf("%s: %s", call, got)
		}
	}
}

func get(t *testing.T, url string, status int) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		t.Fatalf("%s: %s %v %s", url, resp.Status, err, body)
	}
	return string(body)
}
