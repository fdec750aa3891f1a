package cluster

import (
	"fmt"

	"github.com/wirepost/wirepost/engine"
)

// allow returns an error if some member does not know the operations of a level yet.
func (s *shard) allowLocked(level int) error {
	for i := range s.members {
		if m := &s.members[i]; m.Level < level {
			return fmt.Errorf("%w: an operation of level %d has to wait until node %s, which has level %d, is upgraded",
				engine.ErrUnavailable, level, m.Node, m.Level)
		}
	}
	return nil
}
