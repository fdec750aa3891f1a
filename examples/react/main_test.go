package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wirepost/wirepost/examples/internal/trial"
	"github.com/wirepost/wirepost/internal/browser"
)

func TestMain(m *testing.M) { trial.Main(browser.With(m), main) }

// bundle builds the page with the esbuild and React that js is tested with: Vite is too large to
// be installed for a test.
func bundle(t *testing.T) (dir string) {
	t.Helper()
	js, err := filepath.Abs("../../js")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(js, "node_modules/react-dom")); err != nil {
		run(t, js, "npm", "ci", "--no-audit", "--no-fund")
	}
	main, err := filepath.Abs("src/main.tsx")
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	run(t, js, "go", "tool", "esbuild", main, "--bundle", "--splitting", "--format=esm", "--jsx=automatic", "--log-level=warning",
		"--alias:wirepost/react="+filepath.Join(js, "src/react/index.ts"),
		"--alias:react="+filepath.Join(js, "node_modules/react"), "--alias:react-dom="+filepath.Join(js, "node_modules/react-dom"),
		"--outdir="+dir)
	page, err := os.ReadFile("index.html")
	if err != nil {
		t.Fatal(err)
	}
	built := strings.Replace(string(page), "/src/main.tsx", "/main.js", 1)
	built = strings.Replace(built, "<title>", `<link rel="stylesheet" href="/main.css"><title>`, 1)
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(built), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func TestPage(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs Chromium and Node.js")
	}
	p := trial.Start(t, "-pages", bundle(t))
	if status, body := p.Request("POST", "/remind/Ann", "tea is ready"); status != 200 {
		t.Fatalf("remind: %d %s", status, body)
	}
	ann, bob := browser.Open(t), browser.Open(t)
	browser.Visit(t, ann, p.URL)
	browser.Fill(t, ann, `input[name="text"]`, "Ann")
	browser.Click(t, ann, "form button")
	browser.Wait(t, ann, `document.querySelector("#state")?.textContent === "as Ann" && bell.textContent === "Reminders: 1"`)
	browser.Fill(t, ann, "#say input", "Anybody here?")
	browser.Click(t, ann, "#say button")
	browser.Wait(t, ann, `lines.children.length === 1`)

	browser.Visit(t, bob, p.URL+"/?user=Bob")
	browser.Wait(t, bob, `document.querySelector("#users")?.textContent === "Ann, Bob" && lines.textContent === "Ann Anybody here?"`)
	browser.Wait(t, ann, `users.textContent === "Ann, Bob"`)
	browser.Fill(t, bob, "#say input", "Yes")
	browser.Click(t, bob, "#say button")
	browser.Wait(t, ann, `lines.lastChild.textContent === "Bob Yes"`)

	browser.Click(t, ann, "#bell")
	browser.Wait(t, ann, `bell.textContent === "Reminders: 0" && reminders.textContent === "tea is ready"`)
	browser.Screenshot(t, ann, "room")
	browser.Visit(t, bob, p.URL) // away from the room
	browser.Wait(t, ann, `users.textContent === "Ann"`)
}

// TestNoPage: the program starts before the page is built, and Vite may serve it.
func TestNoPage(t *testing.T) {
	p := trial.Start(t, "-pages", t.TempDir())
	page := p.Dial("/ws?user=ann")
	if status, _ := p.Request("POST", "/remind/ann", "hello"); status != 200 {
		t.Errorf("remind: %d", status)
	}
	page.Expect(`{"text":"hello"}`)
}
