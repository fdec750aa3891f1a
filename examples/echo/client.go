package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/coder/websocket"
)

// tick sends the time every second and logs what comes back, until Ctrl-C, which is no error.
func tick(url string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := exchange(ctx, url)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func exchange(ctx context.Context, url string) error {
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return err
	}
	defer c.Close(websocket.StatusNormalClosure, "") // notifies the server
	for {
		if err := c.Write(ctx, websocket.MessageText, []byte(time.Now().Format(time.RFC3339))); err != nil {
			return err
		}
		_, answer, err := c.Read(ctx)
		if err != nil {
			return err
		}
		log.Printf("received %s", answer)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
