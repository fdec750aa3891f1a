package pebble

import (
	"context"

	"github.com/wirepost/wirepost/engine"
)

var _ engine.Health = (*Engine)(nil)

// Ready implements engine.Health.
func (e *Engine) Ready() error {
	if err := e.enter(context.Background()); err != nil {
		return err
	}
	defer e.leave()
	if err := e.fault.Get(); err != nil {
		return err
	}
	err := e.committer.Stalled()
	if err == nil {
		err = e.background.Refusal()
	}
	if err == nil {
		err = e.space.Now()
	}
	return err
}
