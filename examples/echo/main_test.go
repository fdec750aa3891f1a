package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/examples/internal/trial"
	"github.com/wirepost/wirepost/internal/browser"
)

func TestMain(m *testing.M) { trial.Main(browser.With(m), main) }

func TestEcho(t *testing.T) {
	p := trial.Start(t)
	page := p.Dial("/echo")
	for _, text := range []string{"hello", strings.Repeat("long ", 10_000), "ещё раз"} {
		page.Send(text)
		page.Expect(text)
	}
	bits := []byte{0, 255, 1}
	if err := page.Write(context.Background(), websocket.MessageBinary, bits); err != nil {
		t.Fatal(err)
	}
	kind, got, err := page.Read(context.Background())
	if kind != websocket.MessageBinary || !bytes.Equal(got, bits) || err != nil {
		t.Errorf("got %v %v %v", kind, got, err)
	}
}

func TestPage(t *testing.T) {
	p := trial.Start(t)
	tab := browser.Open(t)
	browser.Visit(t, tab, p.URL)
	browser.Click(t, tab, "#send:enabled") // it connects by itself
	browser.Wait(t, tab, `log.textContent === "open\n→ Hello, WebSocket!\n← Hello, WebSocket!\n"`)
	browser.Screenshot(t, tab, "page")
	browser.Click(t, tab, "#close")
	browser.Wait(t, tab, `log.textContent.includes("closed with 1000") && !document.querySelector("#open").disabled`)
	browser.Click(t, tab, "#open")
	browser.Click(t, tab, "#send:enabled")
	browser.Wait(t, tab, `log.textContent.endsWith("open\n→ Hello, WebSocket!\n← Hello, WebSocket!\n")`)
}

func TestClient(t *testing.T) {
	p := trial.Start(t)
	client := exec.Command(os.Args[0], "-client", "-listen", strings.TrimPrefix(p.URL, "http://"))
	client.Env = append(os.Environ(), "EXAMPLE=1")
	said, err := client.StderrPipe()
	if err == nil {
		err = client.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer client.Process.Kill()
	lines := bufio.NewScanner(said)
	for range 2 {
		if !lines.Scan() || !regexp.MustCompile(`received \d{4}-\d\d-\d\dT`).MatchString(lines.Text()) {
			t.Fatalf("it said %q", lines.Text())
		}
	}
	if err := client.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := client.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}
