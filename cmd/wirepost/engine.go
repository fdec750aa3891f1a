package main

import (
	"log/slog"
	"time"

	"github.com/wirepost/wirepost/engine"
	"github.com/wirepost/wirepost/engine/memory"
	"github.com/wirepost/wirepost/engine/pebble"
)

// openEngine opens the configured engine with its share of memory and files.
func openEngine(c *Config, p *memoryPlan, f files, log *slog.Logger) (engine.Engine, error) {
	if c.Engine == engineMemory {
		return memory.New(memory.Options{MaxBytes: p.of(recordPart)}), nil
	}
	store, err := pebble.Open(c.Data, storeOptions(c, p, f, log))
	if err != nil {
		return nil, err // not store: a nil *pebble.Engine is not a nil engine.Engine
	}
	return store, nil
}

// storeOptions returns the options of a store on disk.
func storeOptions(c *Config, p *memoryPlan, f files, log *slog.Logger) pebble.Options {
	return pebble.Options{
		Logger:        log,
		MinFree:       uint64(c.MinFree),
		MaxOpenFiles:  f.store,
		SyncInterval:  time.Duration(c.SyncInterval),
		CacheBytes:    p.of(cachePart) / idShare * (idShare - 1),
		IDBytes:       p.of(cachePart) / idShare,
		MemTableBytes: int(p.of(memtablePart) / memtables),
		Channels:      int(p.of(channelPart) / channelBytes),
	}
}
