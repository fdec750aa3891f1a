package main

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/examples/internal/trial"
)

func TestMain(m *testing.M) { trial.Main(m, main) }

func TestEcho(t *testing.T) {
	page := trial.Start(t).Dial("/echo")
	most := strings.Repeat("x", 512)
	page.Send(most)
	page.Expect(most)
	page.Send(most + "x")
	page.ExpectClose(1009)
}

func TestOrigins(t *testing.T) {
	p := trial.Start(t, "-origin", "https://good.example")
	for origin, status := range map[string]int{
		p.URL: 101, "https://good.example": 101, "https://bad.example": 403,
	} {
		c, response, err := websocket.Dial(context.Background(), p.URL+"/echo",
			&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
		if err == nil {
			c.CloseNow()
		}
		if response == nil || response.StatusCode != status {
			t.Errorf("a page of %s: %v %v", origin, response, err)
		}
	}
}
