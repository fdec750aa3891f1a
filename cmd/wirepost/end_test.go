package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/wirepost/wirepost/engine"
)

// endingStore is an engine whose Close does what a test wants.
type endingStore struct {
	engine.Engine
	end func() error
}

func (c endingStore) Close() error { c.Engine.Close(); return c.end() }

// A store that has failed, or whose Close hangs, makes the exit status 1, in time.
func TestEndTellsOfTheStore(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		drain time.Duration
		end   func(stop <-chan struct{}) error
		want  string
	}{
		"fine":   {time.Hour, func(<-chan struct{}) error { return nil }, ""},
		"failed": {time.Hour, func(<-chan struct{}) error { return engine.ErrFailed }, "a restart is needed"},
		"hangs":  {time.Second, func(stop <-chan struct{}) error { <-stop; return nil }, "shutdown did not finish within 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &App{Config: Config{common: common{
				Listen: "127.0.0.1:0", Engine: engineMemory, Drain: duration(test.drain), MaxMessage: 1 << 10,
			}, Dev: true}, Log: slog.New(slog.DiscardHandler)}
			if err := a.open(); err != nil {
				t.Fatal(err)
			}
			stop := make(chan struct{})
			a.engine = endingStore{a.engine, func() error { return test.end(stop) }}
			err := a.end(a.serve())
			close(stop)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("end: %v, want %q", err, test.want)
			}
		})
	}
}
