package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/wirepost/wirepost/bench/peer"
	"github.com/wirepost/wirepost/client"
)

// pushBackend pushes with one client.Backend from many goroutines, as a Go program would.
// The client costs more than a poster.
func pushBackend(t *target, s *settings, goroutines int, turn time.Duration) (int, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: goroutines}
	defer transport.CloseIdleConnections()
	b, err := client.NewBackend("http://"+t.Address.String(), client.BackendOptions{
		Key: apiKey, HTTP: &http.Client{Transport: transport}, Attempts: 1,
	})
	if err != nil {
		return 0, err
	}
	var done atomic.Int64
	end := time.Now().Add(turn)
	err = together(goroutines, func(int) error {
		for time.Now().Before(end) {
			to := fmt.Sprintf("user:u%d", s.anyUser())
			if _, err := b.Push(context.Background(), client.Push{To: to, Data: peer.Message(s.size)}); err != nil {
				return err
			}
			done.Add(1)
		}
		return nil
	})
	return int(done.Load()), err
}
