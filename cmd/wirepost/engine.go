package main

import (
	"log/slog"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/engine/pebble"
)

// openEngine opens what the configuration names.
func openEngine(c *Config, log *slog.Logger) (engine.Engine, error) {
	if c.Engine == engineMemory {
		return memory.New(memory.Options{}), nil
	}
	store, err := pebble.Open(c.Data, pebble.Options{Logger: log})
	if err != nil {
		return nil, err // not store: a nil *pebble.Engine is no nil engine.Engine
	}
	return store, nil
}
