package batch

import "errors"

// Level is the level of the operations that this program knows. A change to what a
// batch can say gets the next level. Nodes report theirs to the log, and an operation is
// proposed only when all members have its level, so nodes can be upgraded one by one.
const Level = 1

// ErrLevel says that this program is older than that of another node.
var ErrLevel = errors.New("this node must be upgraded first")
