package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/wirepost/wirepost/examples/internal/trial"
)

const (
	crowd = 1000 // users
	each  = 3    // messages to each of them
)

var backend = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 10}}

// TestCrowd connects and disconnects a thousand users while messages are pushed to
// them: some leave, others are disconnected. All of them receive everything, in
// order. With -race the program runs under the race detector, and Stop fails if it
// reported a race.
func TestCrowd(t *testing.T) {
	p := trial.Start(t, "-data", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var pushers, users sync.WaitGroup
	for user := range crowd {
		users.Go(func() {
			if err := follow(ctx, p.URL, user); err != nil {
				t.Errorf("user %d: %v", user, err)
				cancel()
			}
		})
	}
	for pusher := range 10 {
		pushers.Go(func() {
			for n := range each {
				for user := pusher; user < crowd && ctx.Err() == nil; user += 10 {
					if err := poke(ctx, p.URL, user, n); err != nil {
						t.Errorf("push to %d: %v", user, err)
						cancel()
					}
				}
			}
		})
	}
	pushers.Wait()
	users.Wait()
	p.Stop()
}

// poke pushes message n to a user, and may disconnect the user first.
func poke(ctx context.Context, url string, user, n int) error {
	if rand.IntN(5) == 0 {
		path := fmt.Sprintf("%s/deleteClient/%d", url, user)
		if status, err := send(ctx, "DELETE", path, ""); err != nil || status != 200 && status != 404 {
			return fmt.Errorf("disconnect: %d %w", status, err)
		}
	}
	path := fmt.Sprintf("%s/pushNews?userId=%d", url, user)
	if status, err := send(ctx, "POST", path, fmt.Sprint(n)); err != nil || status != 200 {
		return fmt.Errorf("%d %w", status, err)
	}
	return nil
}

func send(ctx context.Context, method, url, body string) (status int, err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	response, err := backend.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// follow connects as a user repeatedly until every message has arrived.
func follow(ctx context.Context, url string, user int) error {
	for next := 0; next < each; {
		c, _, err := websocket.Dial(ctx, fmt.Sprintf("%s/getPushNews?userId=%d", url, user), nil)
		if err != nil {
			return err
		}
		next, err = receive(ctx, c, next)
		c.CloseNow()
		if err != nil {
			return err
		}
	}
	return nil
}

// receive reads until all messages have arrived, the connection is closed, or the
// user leaves. An unacknowledged message may be repeated; none is missing.
func receive(ctx context.Context, c *websocket.Conn, next int) (int, error) {
	for next < each {
		_, data, err := c.Read(ctx)
		if err != nil {
			return next, ctx.Err() // without an error: disconnected
		}
		var n int
		fmt.Sscan(string(data), &n)
		if n > next {
			return next, fmt.Errorf("message %d came before %d", n, next)
		}
		next = max(next, n+1)
		if rand.IntN(4) == 0 {
			return next, nil
		}
	}
	return next, nil
}
