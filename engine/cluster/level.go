package cluster

import (
	"errors"
	"fmt"

	"github.com/wirepost/wirepost/engine"
)

// operationLevel is the level of the operations that this program knows. A change to what a
// batch can say gets the next level. Nodes report theirs to the log, and an operation is
// proposed only when all members have its level, so nodes can be upgraded one by one.
const operationLevel = 1

// errLevel says that this program is older than that of another node.
var errLevel = errors.New("this node must be upgraded first")

// allow returns an error if some member does not know the operations of a level yet.
func (s *shard) allowLocked(level int) error {
	for i := range s.members {
		if m := &s.members[i]; m.level < level {
			return fmt.Errorf("%w: an operation of level %d has to wait until node %s, which has level %d, is upgraded",
				engine.ErrUnavailable, level, m.node, m.level)
		}
	}
	return nil
}
