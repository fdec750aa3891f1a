package console

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/wirepost/wirepost/internal/browser"
)

func TestPlaygroundEcho(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	tab := s.open("#/playground")
	choose(t, tab, "form select", "echo")
	browser.Click(t, tab, "form .main")
	says(t, tab, ".frames li[data-kind=open]", "no subprotocol")
	browser.Fill(t, tab, ".playground textarea", "hello, 世界")
	browser.Run(t, tab, clickButton("Send"))
	says(t, tab, `[data-direction=out][data-kind=text]`, "hello, 世界", "13 B")
	says(t, tab, `[data-direction=in][data-kind=text]`, "hello, 世界")

	file := filepath.Join(t.TempDir(), "some.bin")
	data := make([]byte, 5000)
	for i := range data {
		data[i] = byte(i)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	browser.Run(t, tab, clickButton("Send file"))
	says(t, tab, ".notice", "Choose a file first")
	browser.Run(t, tab, chromedp.SetUploadFiles(chromedp.CSS("input[type=file]"), []string{file}), clickButton("Send file"))
	says(t, tab, `[data-direction=out][data-kind=binary]`, "4.9 KiB", "00 01 02 03")
	says(t, tab, `[data-direction=in][data-kind=binary]`, "4.9 KiB")
	browser.Click(t, tab, `[data-direction=in][data-kind=binary] summary`)
	says(t, tab, "pre", "0010  10 11 12 13", "3,976 more bytes")
	browser.Screenshot(t, tab, "echo")

	// It is unchanged after another section was shown.
	browser.Click(t, tab, "nav a[data-section=users]")
	says(t, tab, "h1", "Users")
	browser.Click(t, tab, "nav a[data-section=playground]")
	says(t, tab, ".tools, .head", "2 received, 2 sent")
	browser.Run(t, tab, clickButton("Close"))
	says(t, tab, `.frames [data-kind=close]`, "1000 normal")
	says(t, tab, "form .pill", "closed")
}

func TestPlaygroundPlain(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.push("user:42", "while away")
	tab := s.open("#/playground")
	browser.Click(t, tab, "form .main")
	says(t, tab, `[data-direction=in]`, "while away")
	browser.Fill(t, tab, ".pushing textarea", "while here")
	browser.Click(t, tab, ".pushing .main")
	says(t, tab, `[data-direction=in]`, "while here")
	// A page cannot see pongs, but the server received one.
	says(t, tab, `[data-direction=pong]`, "acknowledged user:42 up to 2")
	browser.Screenshot(t, tab, "plain")
	if _, err := s.Disconnect(t.Context(), "42", ""); err != nil {
		t.Fatal(err)
	}
	says(t, tab, `[data-kind=close]`, "4409 disconnected by the application")
}

func TestPlaygroundV1(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	tab := s.open("#/playground")
	choose(t, tab, "form select", "wirepost.v1")
	browser.Click(t, tab, "form .main")
	says(t, tab, `[data-kind=open]`, "subprotocol wirepost.v1")
	says(t, tab, `[data-direction=in]`, `"type":"hello"`)
	s.push("user:42", `{"order":7}`)
	says(t, tab, `[data-direction=in]`, `"data":{"order":7}`)
	says(t, tab, `[data-direction=out]`, `{"type":"ack","channel":"user:42","seq":1}`)
	browser.Fill(t, tab, ".playground textarea", "no JSON")
	browser.Run(t, tab, clickButton("Send"))
	says(t, tab, `[data-direction=in]`, "bad_request")
}

func TestPlaygroundStream(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.push("user:42", "before")
	tab := s.open("#/playground")
	choose(t, tab, "form select", "sse")
	browser.Click(t, tab, "form .main")
	says(t, tab, `[data-kind=open]`, "text/event-stream")
	says(t, tab, `[data-kind=event]`, `"data":"before"`)
	s.push("user:42", "while here")
	says(t, tab, `[data-kind=event]`, `"data":"while here"`)
	if !browser.Value[bool](t, tab, `[...document.querySelectorAll("main button")].find((e) => e.textContent === "Send").disabled`) {
		t.Error("sending is enabled")
	}
	browser.Screenshot(t, tab, "stream")
	if _, err := s.Disconnect(t.Context(), "42", ""); err != nil {
		t.Fatal(err)
	}
	says(t, tab, `[data-kind=close]`, "bye")
	says(t, tab, "form .pill", "closed")
}

// TestPlaygroundFlood receives more frames than the log shows.
func TestPlaygroundFlood(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	tab := s.open("#/playground")
	choose(t, tab, "form select", "wirepost.v1")
	browser.Click(t, tab, "form .main")
	says(t, tab, `[data-direction=in]`, "hello")
	for i := range 3000 {
		s.push("user:42", fmt.Sprint(i))
	}
	says(t, tab, ".head .soft", "3,001 received, 3,000 sent")
	says(t, tab, "[data-direction=out]", `"seq":3000`)
	if n := browser.Value[int](t, tab, `document.querySelectorAll(".frames li").length`); n != 500 {
		t.Errorf("%d lines, want 500", n)
	}
	browser.Run(t, tab, clickButton("Clear"))
	browser.Wait(t, tab, `document.querySelectorAll(".frames li").length === 0`)
}

// TestPlaygroundRefused: the browser does not say why a connection was refused; the reason
// comes from the server.
func TestPlaygroundRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	tab := s.open("#/playground")
	browser.Expect(tab, "WebSocket connection to .* failed|status of 403")
	browser.Fill(t, tab, "form input[placeholder='news,room:7']", "user:43")
	for i, target := range []string{"plain", "wirepost.v1", "sse"} {
		choose(t, tab, "form select", target)
		browser.Click(t, tab, "form .main")
		says(t, tab, fmt.Sprintf(".frames li:nth-child(%d)[data-kind=refused]", 2*i+2), `403: "user:43" is another user's inbox`)
		says(t, tab, "form .pill", "closed")
	}
	says(t, tab, `[data-kind=close]`, "1006 no close frame")
}
