package main

import (
	"context"
	"testing"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/examples/internal/trial"
)

func TestMain(m *testing.M) { trial.Main(m, main) }

func TestChat(t *testing.T) {
	p := trial.Start(t)
	for _, offer := range [][]string{{"chat", "superchat"}, {"superchat", "chat"}, {"chat"}} {
		page := p.Dial("/ws", offer...)
		if got := page.Subprotocol(); got != "chat" {
			t.Errorf("of %q it chose %q", offer, got)
		}
		page.Send("hello")
		page.Expect(`you said "hello" in chat`)
	}
	for _, offer := range [][]string{nil, {"superchat"}, {"wirepost.v1"}} {
		_, response, err := websocket.Dial(context.Background(), p.URL+"/ws", &websocket.DialOptions{Subprotocols: offer})
		if err == nil || response.StatusCode != 400 {
			t.Errorf("with %q it connects", offer)
		}
	}
}
