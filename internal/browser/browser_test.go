package browser

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(With(m)) }

// serve serves one page with a strict policy.
func serve(t *testing.T, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src data:; connect-src 'self'")
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		w.Write([]byte("<!doctype html><link rel=icon href=data:,><title>" + r.URL.Path + "</title>" + body)) //nolint:errcheck // the peer is gone
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestTab(t *testing.T) {
	url := serve(t, "<p>hello</p><input>")
	tab := Open(t)
	Visit(t, tab, url+"/a")
	Wait(t, tab, `document.title === "/a"`)
	if got := Value[string](t, tab, `document.querySelector("p").textContent`); got != "hello" {
		t.Errorf("the page says %q", got)
	}
	Fill(t, tab, "input", "first")
	Fill(t, tab, "input", "second")
	Press(t, tab, "!")
	if got := Value[string](t, tab, `document.querySelector("input").value`); got != "second!" {
		t.Errorf("the field holds %q", got)
	}
	do(t, tab, `location.pathname = "/b"`)
	Wait(t, tab, `document.title === "/b"`)
	if c := complaints(tab); len(c) > 0 {
		t.Errorf("complaints: %q", c)
	}
}

// TestClick tests a page that obstructs clicks in every way: the target is disabled,
// covered, out of view, and moves away under the mouse.
func TestClick(t *testing.T) {
	tab := Open(t)
	Visit(t, tab, serve(t, "<p><button>press</button>"))
	do(t, tab, `{
		const button = document.querySelector("button")
		button.disabled = true
		button.style = "position: absolute; top: 3000px; left: 0"
		const cover = document.createElement("div")
		cover.style = "position: fixed; inset: 0"
		document.body.append(cover)
		window.downs = 0
		window.clicks = 0
		// It moves at the first two presses: the mouse is released over something else.
		addEventListener("mousedown", () => { if (++downs < 3) button.style.left = downs * 300 + "px" })
		button.addEventListener("click", (e) => { clicks += e.isTrusted ? 1 : 100; e.stopPropagation() })
		setTimeout(() => { button.disabled = false; setTimeout(() => cover.remove(), 50) }, 50)
	}`)
	Click(t, tab, "button")
	if got := Value[[]int](t, tab, "[downs, clicks]"); !slices.Equal(got, []int{3, 1}) {
		t.Errorf("the mouse was pressed and the button clicked %d times, want 3 and 1", got)
	}
}

func TestClickFollowsALink(t *testing.T) {
	tab := Open(t)
	Visit(t, tab, serve(t, "<a href=/b>b</a>"))
	Click(t, tab, "a")
	Wait(t, tab, `document.title === "/b"`)
}

// TestFill tests a page that takes the focus away once.
func TestFill(t *testing.T) {
	tab := Open(t)
	Visit(t, tab, serve(t, "<input id=a><input id=b>"))
	do(t, tab, `a.addEventListener("focus", () => b.focus(), { once: true })`)
	Fill(t, tab, "#a", "text")
	if got := Value[string](t, tab, "a.value"); got != "text" {
		t.Errorf("the field holds %q", got)
	}
}

// do runs a script in the page.
func do(t *testing.T, tab context.Context, script string) {
	t.Helper()
	Run(t, tab, chromedp.Evaluate[chromedp.Void](script))
}

func TestProfiles(t *testing.T) {
	url := serve(t, "")
	first := Open(t)
	beside, other := OpenBeside(t, first), Open(t)
	Visit(t, first, url)
	do(t, first, `localStorage.setItem("k", "v")`)
	Visit(t, beside, url)
	Visit(t, other, url)
	Wait(t, beside, `localStorage.getItem("k") === "v"`)
	if !Value[bool](t, other, `localStorage.getItem("k") === null`) {
		t.Error("two profiles share their storage")
	}
}

func TestComplaints(t *testing.T) {
	url := serve(t, "<p>")
	tab := Open(t)
	wanted := map[string]string{
		`^uncaught: .*thrown here`:             `setTimeout(() => { throw new Error("thrown here") })`,
		`^uncaught: .*rejected here`:           `Promise.reject(new Error("rejected here")), 0`,
		`^console.error: .*said here`:          `console.error("said here")`,
		`^security: .*Content Security Policy`: `document.body.append(Object.assign(document.createElement("script"), { textContent: "1" }))`,
		`^network: .*404 .*http://\S+/missing`: `fetch("/missing"), 0`,
	}
	for pattern, script := range wanted {
		Expect(tab, pattern)
		Visit(t, tab, url)
		do(t, tab, script)
		if !eventually(func() bool { return matches(complaints(tab), pattern) }) {
			t.Errorf("no complaint matches %s after %s: %q", pattern, script, complaints(tab))
		}
	}
}

func eventually(holds func() bool) bool {
	for end := time.Now().Add(Patience); time.Now().Before(end); <-time.After(every) {
		if holds() {
			return true
		}
	}
	return false
}

func matches(messages []string, pattern string) bool {
	return slices.ContainsFunc(messages, regexp.MustCompile(pattern).MatchString)
}

// TestFails runs a test that must fail, in another process.
func TestFails(t *testing.T) {
	if os.Getenv("FAIL_HERE") != "" {
		tab := Open(t)
		do(t, tab, `console.error("unexpected")`)
		return
	}
	if testing.Short() {
		t.Skip("-short: no browser")
	}
	run := func(env ...string) string {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFails$")
		cmd.Env = append(os.Environ(), append(env, "FAIL_HERE=1")...)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Errorf("%q: the test passed:\n%s", env, out)
		}
		return string(out)
	}
	dir := t.TempDir()
	if out := run("SCREENSHOTS=" + dir); !strings.Contains(out, "console.error: unexpected") {
		t.Errorf("the failure has no reason:\n%s", out)
	}
	if out := run("PATH="+dir, "CHROMIUM="); !strings.Contains(out, "make chromium") {
		t.Errorf("without a browser the test does not say what to do:\n%s", out)
	}
}

func TestScreenshot(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SCREENSHOTS", dir)
	tab := Open(t)
	Device(t, tab, 360, 640)
	Visit(t, tab, serve(t, "<h1>A long one</h1>"))
	Screenshot(t, tab, "a b")
	picture, err := os.ReadFile(filepath.Join(dir, "TestScreenshot-a-b.png"))
	if err != nil || !slices.Equal(picture[:4], []byte("\x89PNG")) {
		t.Errorf("no picture: %v", err)
	}
}
