package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wirepost/wirepost/internal/dial"
	"github.com/wirepost/wirepost/internal/wire"
)

// echoCommand is `wirepost echo`: a client that sends the time.
type echoCommand struct {
	cluster
	Every duration `default:"1s" placeholder:"TIME" help:"Interval between messages (default ${default})."`
	Count count    `short:"n" placeholder:"N" help:"Exit after this many responses (default: on interrupt)."`
}

// Run sends until it is interrupted or the count is reached, and then closes the
// connection with a close handshake (RFC 6455).
func (c *echoCommand) Run(ctx context.Context, t *terminal) error {
	conn, err := c.connect(ctx, t)
	if err != nil {
		return err
	}
	defer conn.CloseNow() // closed already, unless something failed

	answers := make(chan string)
	broken := make(chan error, 1)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			data, _, err := conn.Read()
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

// connect dials the servers until one accepts.
func (c *echoCommand) connect(ctx context.Context, t *terminal) (conn *dial.Conn, err error) {
	for i, url := range c.at("/echo", nil) {
		if i > 0 {
			t.warnf("%v; trying the next server", err)
		}
		if conn, err = connectEcho(ctx, url); err == nil || ctx.Err() != nil {
			break
		}
	}
	return conn, err
}

// connectEcho dials with a time limit.
func connectEcho(ctx context.Context, url string) (*dial.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	conn, err := dial.Dial(ctx, url, dial.Options{})
	if no, ok := errors.AsType[*dial.Refusal](err); ok {
		return nil, readRefusal(&http.Response{StatusCode: no.Status}, no.Body)
	}
	return conn, wordDialError(err)
}

func (c *echoCommand) tick(ctx context.Context, t *terminal, conn *dial.Conn, answers <-chan string, broken <-chan error) error {
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

// send fails if the server does not read.
func send(conn *dial.Conn, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return conn.Write(ctx, false, []byte(text))
}

// closeCleanly sends the close frame and waits for the peer's.
func closeCleanly(conn *dial.Conn) error {
	if err := conn.Close(wire.CloseNormal, ""); err != nil {
		return fmt.Errorf("the server did not respond to the close frame: %w", err)
	}
	return nil
}

// wordEnding describes why the server closed the connection.
func wordEnding(err error) error {
	end, ok := errors.AsType[*dial.CloseError](err)
	switch {
	case !ok || end.Code == wire.CloseAbnormal:
		return fmt.Errorf("the connection broke: %w", innermost(err))
	case end.Reason == "":
		return fmt.Errorf("the server closed the connection with %d", end.Code)
	}
	return fmt.Errorf("the server closed the connection with %d: %s", end.Code, printable(end.Reason))
}
