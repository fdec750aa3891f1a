package main

import (
	"context"
	"fmt"
	"time"

	"github.com/coder/websocket"
)

// echoCommand is `wirepost echo`: a client that ticks.
type echoCommand struct {
	target
	Every duration `default:"1s" placeholder:"TIME" help:"Pause between two messages (default ${default})."`
	Count count    `short:"n" placeholder:"N" help:"End after this many answers (default: on interrupt)."`
}

// Run sends until it is interrupted or the count is reached, and closes the
// connection as RFC 6455 asks: close frame, and the answer to it.
func (c *echoCommand) Run(ctx context.Context, t *terminal) error {
	conn, err := dial(ctx, c.socketAt("/echo", nil), nil)
	if err != nil {
		return err
	}
	defer conn.CloseNow() //nolint:errcheck // closed already, unless something failed

	answers := make(chan string)
	broken := make(chan error, 1)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			_, data, err := conn.Read(context.Background())
			if err != nil {
				broken <- err
				return
			}
			select {
			case answers <- string(data):
			case <-done:
				return
			}
		}
	}()
	return c.tick(ctx, t, conn, answers, broken)
}

func (c *echoCommand) tick(ctx context.Context, t *terminal, conn *websocket.Conn, answers <-chan string, broken <-chan error) error {
	ticker := time.NewTicker(time.Duration(c.Every))
	defer ticker.Stop()
	sent, received := 0, 0
	for {
		if c.Count == 0 || sent < int(c.Count) {
			if err := send(conn, time.Now().Format(time.RFC3339Nano)); err != nil {
				return wordEnding(err)
			}
			sent++
		}
		for waiting := true; waiting; {
			select {
			case answer := <-answers:
				if _, err := fmt.Fprintln(t.Out, printable(answer)); err != nil {
					return err
				}
				if received++; received == int(c.Count) {
					return closeCleanly(conn)
				}
			case err := <-broken:
				return wordEnding(err)
			case <-ctx.Done():
				return closeCleanly(conn)
			case <-ticker.C:
				waiting = false
			}
		}
	}
}

func send(conn *websocket.Conn, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, []byte(text))
}

// closeCleanly sends the close frame and waits for the peer's.
func closeCleanly(conn *websocket.Conn) error {
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		return fmt.Errorf("the server did not answer the close: %w", err)
	}
	return nil
}

// wordEnding words the end of a connection that this side did not want.
func wordEnding(err error) error {
	code, reason := closeCode(err)
	if code == 1006 {
		return fmt.Errorf("the connection broke: %w", innermost(err))
	}
	if reason == "" {
		return fmt.Errorf("the server closed the connection with %d", code)
	}
	return fmt.Errorf("the server closed the connection with %d: %s", code, printable(reason))
}
