package js_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/wirepost/wirepost/internal/browser"
)

// bundled is a directory with the bundle of testdata/package/page.tsx and its page.
var bundled = sync.OnceValues(func() (string, error) {
	from, err := installed()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(scratch, "react")
	bundle := exec.Command("go", "tool", "esbuild", "page="+filepath.Join(from, "page.tsx"), "--bundle", "--splitting", "--format=esm",
		"--jsx=automatic", `--define:process.env.NODE_ENV="development"`, "--log-level=warning", "--outdir="+dir)
	if out, err := bundle.CombinedOutput(); err != nil {
		return "", fmt.Errorf("esbuild: %w\n%s", err, out)
	}
	page, err := os.ReadFile(filepath.Join(from, "index.html"))
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "index.html"), page, 0o600)
})

// reactPage opens testdata/package/page.tsx, which imports the installed package, bundled as
// a bundler does it.
func reactPage(t *testing.T) (tab context.Context, s *server) {
	t.Helper()
	program(t)
	dir, err := bundled()
	if err != nil {
		t.Fatal(err)
	}
	pages := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(pages.Close)
	tab = browser.Open(t)
	s = serve(t, "dev", "--allow-origin", pages.URL)
	browser.Visit(t, tab, pages.URL)
	browser.Wait(t, tab, "window.render !== undefined")
	return tab, s
}

// render shows the page with these properties, besides the server's URL.
func render(t *testing.T, tab context.Context, s *server, properties string) {
	t.Helper()
	run(t, tab, `render({ url: "`+s.url("/ws?user=42")+`", `+properties+` })`)
}

// shows waits until an element has this text.
func shows(t *testing.T, tab context.Context, selector, text string) {
	t.Helper()
	browser.Wait(t, tab, `document.querySelector("`+selector+`")?.textContent === "`+text+`"`)
}

// TestReact shows an inbox: earlier messages, those that come, and the unread count, over one
// connection although StrictMode runs each effect twice.
func TestReact(t *testing.T) {
	tab, s := reactPage(t)
	s.mustPushNotes("user:42", "1", "2", "3", "4")
	render(t, tab, s, `inbox: true`)
	shows(t, tab, "#inbox", "true true 2,3,4")
	shows(t, tab, "#state", "open 42 websocket 4")
	s.mustPushNotes("user:42", "5")
	shows(t, tab, "#inbox", "true true 2,3,4,5")
	shows(t, tab, "#state", "open 42 websocket 5")
	browser.Click(t, tab, "#older")
	shows(t, tab, "#inbox", "true false 1,2,3,4,5")
	browser.Click(t, tab, "#read")
	shows(t, tab, "#state", "open 42 websocket 0")
	s.mustPushNotes("user:42", "6", "7", "8", "9")
	shows(t, tab, "#inbox", "true true 2,3,4,5,6,7,8,9")
	if n := browser.Value[int](t, tab, "sockets"); n != 1 {
		t.Errorf("%d connections", n)
	}
	run(t, tab, `render({})`)
	online(t, s, 0)
	render(t, tab, s, `inbox: true`)
	shows(t, tab, "#inbox", "true true 7,8,9")
}

// TestReactRoom shows a channel with its messages and users, and another one that is refused.
func TestReactRoom(t *testing.T) {
	tab, s := reactPage(t)
	render(t, tab, s, `room: "room:7"`)
	shows(t, tab, "#channel", "true undefined none")
	shows(t, tab, "#present", "1 42")
	browser.Click(t, tab, "#publish")
	shows(t, tab, "#channel", "true undefined published")
	shows(t, tab, "#room", "true undefined published")
	run(t, tab, `
		window.other = connect("`+s.url("/ws?user=7")+`")
		await other.subscribe("room:7", () => {})
	`)
	shows(t, tab, "#present", "2 42,7")
	run(t, tab, `other.close()`)
	shows(t, tab, "#present", "1 42")
	subscribers(t, s, "room:7", 1)

	render(t, tab, s, `room: "room:8"`)
	shows(t, tab, "#room", "true undefined ")
	s.mustPushNotes("room:8", "eight")
	shows(t, tab, "#channel", "true undefined eight")
	shows(t, tab, "#room", "true undefined eight")
	subscribers(t, s, "room:7", 0)

	render(t, tab, s, `room: "user:7"`)
	shows(t, tab, "#channel", "false forbidden eight")
	shows(t, tab, "#room", "false forbidden ")
	render(t, tab, s, ``)
	subscribers(t, s, "room:8", 0)
	online(t, s, 1)
	if n := browser.Value[int](t, tab, "sockets"); n != 2 {
		t.Errorf("%d connections, with that of the other user", n)
	}
}

// TestReactRevoked removes messages that were revoked, or replaced by a newer one.
func TestReactRevoked(t *testing.T) {
	tab, s := reactPage(t)
	render(t, tab, s, `inbox: true`)
	s.mustPushNotes("user:42", "1", "2")
	shows(t, tab, "#inbox", "true false 1,2")
	if !s.request("DELETE", "/v1/channels/user:42/messages/1", "", "") {
		t.Fatal("the revocation failed")
	}
	shows(t, tab, "#inbox", "true false 2")
	for _, text := range []string{"3", "4"} {
		if !s.post("user:42?key=k", "application/json", `{"text":"`+text+`"}`) {
			t.Fatalf("push %s failed", text)
		}
	}
	shows(t, tab, "#inbox", "true false 2,4")
}

// TestReactURL connects to another server when the URL changes.
func TestReactURL(t *testing.T) {
	tab, s := reactPage(t)
	render(t, tab, s, ``)
	shows(t, tab, "#state", "open 42 websocket 0")
	run(t, tab, `render({ url: "`+s.url("/ws?user=8")+`" })`)
	shows(t, tab, "#state", "open 8 websocket 0")
	online(t, s, 0)
}

// online waits until user 42 has this many connections.
func online(t *testing.T, s *server, want int) {
	t.Helper()
	eventually(t, "connections of user 42", func() bool {
		return get[struct{ Online int }](t, s, "/v1/users/42").Online == want
	})
}

// subscribers waits until a channel has this many.
func subscribers(t *testing.T, s *server, channel string, want int) {
	t.Helper()
	eventually(t, "subscribers of "+channel, func() bool {
		return get[struct{ Subscribers int }](t, s, "/v1/channels/"+channel).Subscribers == want
	})
}

// get requests JSON from the server.
func get[T any](t *testing.T, s *server, path string) (value T) {
	t.Helper()
	response, err := http.Get(s.url(path))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(browser.Patience); !ok(); <-time.After(25 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in %s", what, browser.Patience)
		}
	}
}
