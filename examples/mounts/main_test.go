package main

import (
	"testing"

	"github.com/wirepost/wirepost/examples/internal/trial"
)

func TestMain(m *testing.M) { trial.Main(m, main) }

func TestRouters(t *testing.T) {
	for router := range routers {
		t.Run(router, func(t *testing.T) {
			t.Parallel()
			p := trial.Start(t, "-router", router)
			page := p.Dial("/ws?user=42")
			page.Send("hello")
			page.Expect("42: hello")
			if status, body := p.Request("GET", "/ws", ""); status != 401 {
				t.Errorf("without a user: %d %s", status, body)
			}
			if status, body := p.Request("GET", "/ws?user=42", ""); status != 426 {
				t.Errorf("without a WebSocket: %d %s", status, body)
			}
		})
	}
}
