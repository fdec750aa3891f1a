package main

import (
	"context"
	"testing"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/examples/internal/trial"
)

func TestMain(m *testing.M) { trial.Main(m, main) }

func TestReply(t *testing.T) {
	page := trial.Start(t).Dial("/ws")
	page.Send("hello")
	page.Send("")
	page.Expect("received: hello", "received: ")
	if err := page.Write(context.Background(), websocket.MessageBinary, []byte{0xff}); err != nil {
		t.Fatal(err)
	}
	kind, got, err := page.Read(context.Background())
	if kind != websocket.MessageBinary || string(got) != "received: \xff" || err != nil {
		t.Errorf("got %v %q %v", kind, got, err)
	}
}

// TestV1 sends the same from a client that speaks wirepost.v1.
func TestV1(t *testing.T) {
	page := trial.Start(t).Dial("/ws", "wirepost.v1")
	page.Next() // hello
	page.Send(`{"type":"message","ref":1,"content_type":"text/plain","data":"hello"}`)
	page.Expect(`{"type":"reply","ref":1,"data":"received: hello","content_type":"text/plain"}`)
}
