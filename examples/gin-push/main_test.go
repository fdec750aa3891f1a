package main

import (
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/examples/internal/trial"
)

func TestMain(m *testing.M) { trial.Main(m, main) }

// pushed pushes a message to user 42.
func pushed(t *testing.T, p *trial.Program, text, answer string) {
	t.Helper()
	status, body := p.Request("POST", "/pushNews?userId=42", text)
	if status != 200 || !strings.Contains(body, answer) {
		t.Fatalf("push %q: %d %s", text, status, body)
	}
}

func TestPush(t *testing.T) {
	p := trial.Start(t, "-data", t.TempDir())
	page, phone := p.Dial("/getPushNews?userId=42"), p.Dial("/getPushNews?userId=42")
	pushed(t, p, "hello", `"online":2`)
	page.Expect("hello")
	phone.Expect("hello")

	status, body := p.Request("DELETE", "/deleteClient/42", "")
	if status != 200 || body != `{"disconnected":2}` {
		t.Errorf("%d %s", status, body)
	}
	page.ExpectClose(4409)
	phone.ExpectClose(4409)
	trial.Until(t, func() bool {
		status, body = p.Request("DELETE", "/deleteClient/42", "")
		return status == 404
	})
	if body != `{"error":"user 42 is not connected"}` {
		t.Error(body)
	}
}

// TestAway pushes to an offline user, across a restart and a kill -9.
func TestAway(t *testing.T) {
	data := t.TempDir()
	p := trial.Start(t, "-data", data)
	pushed(t, p, "first", `"online":0`)
	p.Stop()
	p = trial.Start(t, "-data", data)
	pushed(t, p, "second", `"online":0`)
	p.Kill()
	p = trial.Start(t, "-data", data)
	page := p.Dial("/getPushNews?userId=42")
	page.Expect("first", "second")
	var pushing sync.WaitGroup
	pushing.Go(func() {
		<-page.Pings // after these two
		pushed(t, p, "third", `"online":1`)
	})
	page.Expect("third") // so the ping was answered earlier
	pushing.Wait()
	page.Close(websocket.StatusNormalClosure, "")
	p.Stop()

	p = trial.Start(t, "-data", data)
	p.Dial("/getPushNews?userId=42").Expect("third") // repeated: it was not acknowledged
}

func TestRefusals(t *testing.T) {
	p := trial.Start(t, "-data", t.TempDir())
	for request, want := range map[string]int{
		"POST /pushNews":             400,
		"POST /pushNews?userId=4 2":  400,
		"DELETE /deleteClient/4,2":   400,
		"DELETE /deleteClient/43":    404,
		"GET /getPushNews?userId=42": 426,
		"GET /pushNews":              404,
	} {
		method, path, _ := strings.Cut(request, " ")
		if status, body := p.Request(method, strings.ReplaceAll(path, " ", "%20"), "hello"); status != want {
			t.Errorf("%s: %d %s", request, status, body)
		}
	}
	if status, body := p.Request("POST", "/pushNews?userId=42", strings.Repeat("x", 70_000)); status != 413 {
		t.Errorf("a large message: %d %s", status, body)
	}
}
