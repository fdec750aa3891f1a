package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wirepost/wirepost/client"
)

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		b, ctx := s.backend(), t.Context()
		s.dial("42")
		s.pushNumbers("user:42", 1, 3)
		time.Sleep(time.Minute)
		stats, err := b.Stats(ctx)
		if err != nil || stats.Connections != 1 || stats.Users != 1 || stats.Pushes != 3 || stats.Epoch == "" || stats.Memory == 0 ||
			stats.Uptime < time.Minute || stats.Uptime > time.Minute+time.Second {
			t.Errorf("%+v %v", stats, err)
		}
		top, err := b.Top(ctx, 1)
		if err != nil || len(top.Channels) != 1 || top.Channels[0].Subscribers != 1 || top.SlowCount != 0 {
			t.Errorf("%+v %v", top, err)
		}
		if _, err := b.Top(ctx, 101); !errors.Is(err, client.ErrBadRequest) {
			t.Errorf("too many: %v", err)
		}
		if err := b.Ready(ctx); err != nil {
			t.Error(err)
		}
		s.Shutdown(cancelled()) //nolint:errcheck // canceled on purpose
		if err := b.Ready(ctx); !errors.Is(err, client.ErrUnavailable) {
			t.Errorf("Ready after the shutdown: %v", err)
		}
	})
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestJSON: decoding and encoding the API's values returns the same JSON.
func TestJSON(t *testing.T) {
	for text, value := range map[string]any{
		`{"connection":"c","device":"d","address":"a","agent":"g","mode":"plain","since":1789000000000}`:                                                                             new(client.Session),
		`{"pattern":"*","durable":true,"max_messages":7,"subscribe":"token","publish":"backend","max_age":"720h0m0s"}`:                                                               new(client.PolicyInfo),
		`{"connections":1,"users":2,"channels":3,"pushes":4,"deliveries":5,"acks":6,"gaps":7,"epoch":"e","memory_bytes":8,"uptime_ms":60000}`:                                        new(client.Stats),
		`{"user":"42","session":{"connection":"c","device":"","address":"","agent":"","mode":"sse","since":1},"reason":"window","in_flight":1,"in_flight_bytes":2,"unsent_bytes":3}`: new(client.SlowSession),
	} {
		if err := json.Unmarshal([]byte(text), value); err != nil {
			t.Errorf("%T: %v", value, err)
		}
		if again, err := json.Marshal(value); err != nil || string(again) != text {
			t.Errorf("%T: %s %v, want %s", value, again, err, text)
		}
		if err := json.Unmarshal([]byte(`{"since":"x","max_age":"x","uptime_ms":"x","session":{"since":"x"}}`), value); err == nil {
			t.Errorf("%T: invalid JSON was accepted", value)
		}
	}
}
