package main

import (
	"log/slog"
	"sync/atomic"

	"github.com/wirepost/wirepost/engine/pebble"
)

// nodeOptions are what a node is opened with.
type nodeOptions struct {
	config *Config
	store  pebble.Options
	url    string // where clients reach it
	log    *slog.Logger
	phase  *phase

	memoryOnly int64 // bytes of records of memory-only channels; 0: the default
}

// phase says what a node that is starting does, for /readyz.
type phase struct{ text atomic.Pointer[string] }

func (p *phase) set(text string) { p.text.Store(&text) }

func (p *phase) String() string {
	if text := p.text.Load(); text != nil {
		return *text
	}
	return "it is starting"
}
