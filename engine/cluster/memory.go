package cluster

import "github.com/wirepost/wirepost/engine"

var _ engine.Shared = (*Engine)(nil)

// Memory implements engine.Shared.
func (e *Engine) Memory() (engine.Engine, uint64) {
	if e.memory == nil {
		return nil, 0
	}
	return e.memory()
}
